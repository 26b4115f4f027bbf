"""TEMPORARY."""

import re


def compile_filter(f) -> str:
    if not f:
        return ""
    if "condition" in f:
        a, b = "selection", next(k for k in f if k not in ("selection", "condition"))
        return f"({compile_filter(f[a])}) and not ({compile_filter(f[b])})"
    out = []
    for k, v in f.items():
        name, _, mod = k.partition("|")
        vals = v if isinstance(v, list) else [v]
        if mod == "exists":
            out.append(f"{name}: *")
        elif mod in ("lt", "lte", "gt", "gte"):
            out.append(f"{name} {dict(lt='<', lte='<=', gt='>', gte='>=')[mod]} {v}")
        else:
            q = [f'"{x}"' if re.search("[^A-Za-z0-9_.]", str(x)) else str(x) for x in vals]
            each = [f"{name}: {one}" for one in q]
            out.append(each[0] if len(each) == 1 else f"({' or '.join(each)})")
    return " and ".join(out)


def names(f) -> list[str]:
    if not f:
        return []
    if "condition" in f:
        return [n for k, v in f.items() if k != "condition" for n in names(v)]
    return [k.partition("|")[0] for k in f]
