"""Alert rules: files of Sigma, read and put into the languages of whoever runs them."""
