"""Builds what Kibana imports (``kibana/saved_objects``) from what people edit (``kibana/dashboards``)."""
