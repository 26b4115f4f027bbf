"""TEMPORARY."""

from vpcflow.errors import ConfigError


def kind(name: str) -> str:
    from vpcflow.elastic.fields import fields

    if name not in fields() and name != "@timestamp":
        raise ConfigError(f"{name} is no field")
    return fields()[name]["type"]
