"""The dashboards as numbers: for one page that needs no server, for JSON, CSV and pictures."""
