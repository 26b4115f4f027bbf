// Draws the report. Numbers under a filter are added up from cubes; what no cube has is said, not guessed.
"use strict";
(async () => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const packed = Uint8Array.from(atob(document.getElementById("cubes").textContent), (c) => c.charCodeAt(0));
  const unpacked = new Blob([packed]).stream().pipeThrough(new DecompressionStream("gzip"));
  const cubes = JSON.parse(await new Response(unpacked).text());
  const panels = [data.timeline, ...data.boards.flatMap((board) => board.panels)];
  panels.forEach((panel, at) => { panel.cubes = cubes[at] || []; });

  const state = { from: 0, to: data.pieces - 1 };  // and for each filter the place of a value
  const make = (name, settings = {}, ...inside) => {
    const one = Object.assign(document.createElement(name), settings);
    one.append(...inside);
    return one;
  };
  const find = (id) => document.getElementById(id);

  // ---- words for numbers -------------------------------------------------------------------------------
  const whole = new Intl.NumberFormat("en");
  const few = new Intl.NumberFormat("en", { maximumSignificantDigits: 3, notation: "compact" });
  const bytes = (number) => {
    let left = number, unit = 0;
    const units = ["B", "kB", "MB", "GB", "TB", "PB"];
    while (left >= 999.95 && unit < units.length - 1) { left /= 1000; unit += 1; }
    return `${unit ? left.toFixed(1) : left} ${units[unit]}`;
  };
  const time = (seconds, long) => {
    const text = new Date(seconds * 1000).toISOString().replace("T", " ");
    return long ? text.slice(0, 19) : text.slice(0, data.bucket % 86400 ? 16 : 10);
  };
  const begin = (piece) => data.first + piece * data.bucket;
  const shown = (number, unit, short) => {
    if (number === null || number === undefined) return "–";
    if (unit === "share") return `${(100 * number).toFixed(1)} %`;
    if (unit === "bytes") return bytes(number);
    if (unit === "time") return time(number, true);
    return short && number >= 100000 ? few.format(number) : whole.format(number);
  };

  // ---- filters -----------------------------------------------------------------------------------------
  const timed = () => state.from > 0 || state.to < data.pieces - 1;
  const active = (but) => [
    ...data.filters.map((one) => one.name).filter((name) => state[name] !== undefined),
    ...(timed() && but !== "time" ? ["time"] : []),
  ];

  // A panel's points as the filters leave them; `why` says in what they are not what was asked for.
  function ask(panel, but) {
    const by = active(but);
    if (!by.length) return { points: panel.points };
    if (panel.type === "search") return { points: panel.points, why: "The newest of all: filters don't reach them." };
    const added = panel.metrics.flatMap((one, at) => (["count", "sum", "share"].includes(one.kind) ? [at] : []));
    if (!added.length) return { points: panel.points, why: "Not filtered: different values can't be added up." };
    const cube = panel.cubes.find((one) => by.every((name) => one.by.includes(name)));
    if (!cube) return { points: panel.points, why: "Not filtered by this: it would be too much for one page." };
    const columns = cube.columns, names = cube.by, first = names.length + 1, size = added.length + 1;
    const wanted = names.map((name) => state[name]), when = names.indexOf("time") + 1;
    const sums = new Map();
    cells: for (let cell = 0; cell < columns[0].length; cell += 1) {
      for (let at = 0; at < names.length; at += 1) {
        if (wanted[at] !== undefined && columns[at + 1][cell] !== wanted[at]) continue cells;
      }
      const piece = when ? columns[when][cell] : null;
      if (but !== "time" && when && (piece < state.from || piece > state.to)) continue;
      const key = panel.time ? `${piece} ${columns[0][cell]}` : columns[0][cell];
      let sum = sums.get(key);
      if (!sum) sums.set(key, sum = { piece: panel.time ? piece : null, group: columns[0][cell], numbers: new Array(size).fill(0) });
      for (let at = 0; at < size; at += 1) sum.numbers[at] += columns[first + at][cell];
    }
    const points = [...sums.values()].map((sum) => [sum.piece, sum.group, ...panel.metrics.map((one, at) => {
      const place = added.indexOf(at);
      if (place < 0) return null;
      return one.kind === "share" ? sum.numbers[place] / sum.numbers[size - 1] : sum.numbers[place];
    })]);
    const order = 2 + added[0];
    points.sort((a, b) => (a[0] ?? 0) - (b[0] ?? 0) || b[order] - a[order] || a[1] - b[1]);
    if (!points.length && !panel.fields.length && !panel.time) {
      points.push([null, 0, ...panel.metrics.map((one) => (["count", "sum"].includes(one.kind) ? 0 : null))]);
    }
    const lost = panel.metrics.filter((one) => one.kind === "distinct").map((one) => one.label);
    const parts = [
      panel.fields.length && panel.keys.length >= 10 && !panel.time ? "Of those that are largest without a filter." : "",
      lost.length ? `${lost.join(", ")}: different values can't be added up.` : "",
    ];
    return { points, filtered: true, why: parts.filter(Boolean).join(" ") };
  }

  // ---- panels ------------------------------------------------------------------------------------------
  function chartRows(panel, points) {
    const unit = panel.metrics[0].unit;
    const row = (group, number) => ({ k: panel.names[group], v: number, shown: shown(number, unit) });
    if (panel.time) {
      const found = new Map(points.map((point) => [`${point[0]} ${point[1]}`, point[2]]));
      const rows = [];
      panel.names.forEach((_, group) => {
        for (let piece = state.from; piece <= state.to; piece += 1) {
          const at = begin(piece);
          rows.push({ ...row(group, found.get(`${piece} ${group}`) ?? 0), t: at * 1000, u: (at + data.bucket * 0.9) * 1000, time: time(at) });
        }
      });
      return rows;
    }
    const total = points.reduce((sum, point) => sum + point[2], 0) || 1;
    // Parts that nobody could see make the arc of the largest end where it begins: it would not be drawn.
    const seen = panel.type === "donut" ? points.filter((point) => point[2] >= total / 1000) : points;
    return seen.map((point) => ({
      ...row(point[1], point[2]),
      part: shown(point[2] / total, "share"),
      x: String(panel.keys[point[1]][0]),
      y: String(panel.keys[point[1]][1]),
    }));
  }

  function drawMetric(panel, box) {
    const value = make("p", { className: "value" }), before = make("p", { className: "before" });
    box.append(value, before);
    return ({ points, filtered }) => {
      const metric = panel.metrics[0], number = points[0][2];
      value.textContent = shown(number, metric.unit, true);
      value.title = shown(number, metric.unit);
      before.replaceChildren();
      if (!panel.before || filtered) return;
      const old = panel.before[0][0];
      const change = old && metric.unit !== "share" ? ` (${number >= old ? "+" : "−"}${whole.format(Math.abs(Math.round(100 * (number / old - 1))))} %)` : "";
      before.append("before ", make("b", { textContent: shown(old, metric.unit, true) }), change);
    };
  }

  function drawTable(panel, box) {
    const body = make("tbody"), row = make("tr"), gone = panel.before;
    const columns = panel.fields.map((one, at) => ({ label: one.label, title: one.name, value: (point) => panel.keys[point[1]][at] }));
    panel.metrics.forEach((one, at) => {
      columns.push({ label: one.label, number: true, unit: one.unit, value: (point) => point[2 + at], first: at === 0 && one.unit !== "time" });
      if (gone) columns.push({ label: `${one.label} before`, number: true, unit: one.unit, before: true, value: (point) => gone[point[1]][at] });
    });
    let points = [], sorted = null, down = true, isFiltered = false;
    const fill = () => {
      const most = Math.max(...points.map((point) => point[2] || 0), 0) || 1;
      let rows = points;
      if (sorted !== null) {
        const value = columns[sorted].value, sign = down ? -1 : 1;
        rows = [...points].sort((a, b) => {
          const [x, y] = [value(a), value(b)];
          if (x === null || y === null) return (x === null) - (y === null);
          return sign * (typeof x === "number" && typeof y === "number" ? x - y : String(x).localeCompare(String(y), "en", { numeric: true }));
        });
      }
      body.replaceChildren(...rows.map((point) => make("tr", {}, ...columns.map((column) => {
        const found = column.before && isFiltered ? null : column.value(point);
        const text = column.number ? shown(found, column.unit) : found === null ? "–" : String(found);
        const cell = make("td", { className: (column.number ? "n" : "") + (column.first ? " first" : "") + (found === null ? " absent" : "") + (text.length > 40 ? " wide" : ""), textContent: text });
        if (column.first) cell.style.setProperty("--part", `${Math.max(0, 100 * found / most)}%`);
        return cell;
      }))));
      if (!rows.length) body.append(make("tr", { className: "none" }, make("td", { className: "absent", colSpan: columns.length, textContent: "Nothing." })));
      [...row.children].forEach((head, at) => {
        if (at === sorted) head.setAttribute("aria-sort", down ? "descending" : "ascending");
        else head.removeAttribute("aria-sort");
      });
    };
    columns.forEach((column, at) => {
      const button = make("button", { type: "button", textContent: column.label, title: column.title || "" });
      button.addEventListener("click", () => {
        down = sorted === at ? !down : Boolean(column.number);
        sorted = at;
        fill();
      });
      row.append(make("th", { scope: "col", className: column.number ? "n" : "" }, button));
    });
    const scroll = make("div", { className: "scroll", tabIndex: 0 }, make("table", {}, make("thead", {}, row), body));
    scroll.setAttribute("role", "region");
    scroll.setAttribute("aria-label", panel.title);
    box.append(scroll);
    return (answer) => { points = answer.points; isFiltered = Boolean(answer.filtered); fill(); };
  }

  function drawChart(panel, box) {
    const place = make("div", { className: panel.names.length > 5 && panel.time ? "chart many" : "chart" });
    place.setAttribute("role", "img");
    place.setAttribute("aria-label", `${panel.title}: a chart`);
    box.append(place);
    const spec = { ...panel.spec, datasets: { rows: chartRows(panel, panel.points) } };
    const options = { ast: true, actions: false, renderer: "svg", config: data.config, tooltip: { disableDefaultStyle: false } };
    let view = null;
    drawing.push(window.vegaEmbed(place, spec, options).then((made) => {
      view = made.view;
      place.dataset.drawn = "";
      return view;
    }));
    const none = make("p", { className: "note", textContent: "Nothing.", hidden: true });
    box.append(none);
    return ({ points }) => {
      const rows = chartRows(panel, points);
      place.classList.toggle("none", !rows.length);
      none.hidden = rows.length > 0;
      if (view && rows.length) drawing.push(view.data("rows", rows).runAsync());
    };
  }

  const drawing = [], refreshers = [];
  function drawPanel(panel) {
    const [x, y, width, height] = panel.place;
    const half = width > 12 && width <= 32, table = ["table", "search"].includes(panel.type);
    const box = make("article", { className: `panel ${panel.type}${half ? " half" : ""}${table ? " long" : ""}` });
    const place = { x: x + 1, w: width, y: y + 1, rows: height, low: `${height * 0.95}rem`, tall: `${Math.max(height, 12) * 1.55}rem` };
    for (const [name, value] of Object.entries(place)) box.style.setProperty(`--${name}`, value);
    const counts = make("small", { textContent: panel.counts, title: panel.about });
    box.append(make("h3", {}, make("span", { textContent: panel.title }), counts));
    if (panel.about.length > 90 || panel.type === "donut") {
      const own = panel.about.split(/(Over all interfaces:|At each interface by itself:)/)[0].trim();
      if (own) box.append(make("p", { className: "about", textContent: own }));
    }
    if (panel.type === "map") box.append(make("p", { className: "about", textContent: "The largest countries: a map would have to be fetched." }));
    if (panel.note || !panel.keys.length) {
      box.append(make("p", { className: "note", textContent: panel.note || "Nothing like that in this time." }));
      return box;
    }
    const draw = panel.spec ? drawChart : panel.type === "metric" ? drawMetric : drawTable;
    const show = draw(panel, box), why = make("p", { className: "why" });
    box.append(why);
    refreshers.push(() => {
      const answer = ask(panel);
      box.classList.toggle("whole", active().length > 0 && !answer.filtered);
      why.textContent = answer.why || "";
      why.hidden = !answer.why;
      show(answer);
    });
    return box;
  }

  // ---- the bar above -----------------------------------------------------------------------------------
  const selects = {};
  function choice(name, text, options, picked) {
    const select = make("select", { id: `filter-${name}` });
    for (const [value, said] of options) select.append(make("option", { value, textContent: said }));
    select.addEventListener("change", () => { picked(select.value); refresh(); });
    selects[name] = select;
    find("filters").append(make("label", {}, text, select));
  }
  function drawFilters() {
    for (const one of data.filters) {
      const all = one.more ? `all (${one.values.length} largest listed)` : "all";
      const options = one.values.map((value, at) => [at, value === null ? "(none)" : value]);
      choice(one.name, one.label, [["", all], ...options], (value) => {
        state[one.name] = value === "" ? undefined : Number(value);
      });
    }
    const pieces = [...Array(data.pieces).keys()];
    choice("from", "From (UTC)", pieces.map((piece) => [piece, time(begin(piece))]), (value) => {
      state.from = Number(value);
      state.to = Math.max(state.to, state.from);
    });
    choice("to", "To", pieces.map((piece) => [piece, time(begin(piece + 1))]), (value) => {
      state.to = Number(value);
      state.from = Math.min(state.to, state.from);
    });
    const reset = make("button", { type: "button", id: "reset", textContent: "Show all" });
    reset.addEventListener("click", () => {
      for (const one of data.filters) state[one.name] = undefined;
      Object.assign(state, { from: 0, to: data.pieces - 1 });
      refresh();
    });
    find("filters").append(reset);
    find("filters").addEventListener("submit", (event) => event.preventDefault());
  }

  function drawTimeline() {
    const strip = find("timeline"), bars = [...Array(data.pieces).keys()].map(() => make("i"));
    strip.append(...bars);
    let from = null;
    const at = (event) => {
      const box = strip.getBoundingClientRect();
      return Math.min(data.pieces - 1, Math.max(0, Math.floor((event.clientX - box.left) / box.width * data.pieces)));
    };
    const choose = (event) => {
      const here = at(event);
      Object.assign(state, { from: Math.min(from, here), to: Math.max(from, here) });
      refresh();
    };
    strip.addEventListener("pointerdown", (event) => { from = at(event); strip.setPointerCapture(event.pointerId); });
    strip.addEventListener("pointermove", (event) => { if (from !== null && at(event) !== state.to) choose(event); });
    strip.addEventListener("pointerup", (event) => { if (from !== null) choose(event); from = null; });
    strip.addEventListener("pointercancel", () => { from = null; });
    refreshers.push(() => {
      const flows = new Array(data.pieces).fill(0);
      for (const point of ask(data.timeline, "time").points) flows[point[0]] += point[2];
      const most = Math.max(...flows, 1);
      bars.forEach((bar, piece) => {
        bar.style.setProperty("--h", `${100 * flows[piece] / most}%`);
        bar.classList.toggle("out", piece < state.from || piece > state.to);
        bar.title = `${time(begin(piece))}: ${whole.format(flows[piece])} flows`;
      });
    });
  }

  function refresh() {
    for (const one of data.filters) {
      selects[one.name].value = state[one.name] ?? "";
      selects[one.name].classList.toggle("on", state[one.name] !== undefined);
    }
    selects.from.value = state.from;
    selects.to.value = state.to;
    selects.from.classList.toggle("on", state.from > 0);
    selects.to.classList.toggle("on", state.to < data.pieces - 1);
    find("reset").disabled = !active().length;
    for (const one of refreshers) one();
    const flows = ask(data.timeline).points.reduce((sum, point) => sum + (point[0] >= state.from && point[0] <= state.to ? point[2] : 0), 0);
    const lacks = data.lacking.length ? ` These flows have no ${data.lacking.map((one) => (one === "VPC" ? one : one.toLowerCase())).join(", ")} to filter by.` : "";
    const records = `${whole.format(data.flows)} ${data.flows === 1 ? "record" : "records"}.${lacks}`;
    find("said").textContent = active().length ? `${whole.format(flows)} of ${records}` : records;
    document.body.dataset.filtered = active().join(" ");
  }

  // ---- the rest ----------------------------------------------------------------------------------------
  function drawTheme() {
    const button = find("theme"), system = matchMedia("(prefers-color-scheme: dark)");
    let chosen = null;
    const apply = () => {
      const dark = chosen ?? system.matches;
      document.documentElement.dataset.theme = dark ? "dark" : "light";
      button.textContent = dark ? "☀ Light" : "☾ Dark";
    };
    button.addEventListener("click", () => { chosen = !(chosen ?? system.matches); apply(); });
    system.addEventListener("change", apply);
    addEventListener("beforeprint", () => { document.documentElement.dataset.theme = "light"; });
    addEventListener("afterprint", apply);
    apply();
  }

  function drawBoards() {
    for (const board of data.boards) {
      const name = board.title.replace(/^VPC flows, /, "");
      const title = name[0].toUpperCase() + name.slice(1);
      const grid = make("div", { className: "grid" });
      find("boards").append(make("section", { id: board.name }, make("h2", { textContent: title }), make("p", { textContent: board.about }), grid));
      find("nav").append(make("a", { href: `#${board.name}`, textContent: title }));
      for (const panel of board.panels) grid.append(drawPanel(panel));
    }
    const links = [...find("nav").children];
    const seen = new IntersectionObserver((entries) => {
      for (const entry of entries) {
        if (!entry.isIntersecting) continue;
        for (const link of links) {
          if (link.hash === `#${entry.target.id}`) link.setAttribute("aria-current", "true");
          else link.removeAttribute("aria-current");
        }
      }
    }, { rootMargin: "-30% 0px -65% 0px" });
    for (const section of document.querySelectorAll("section")) seen.observe(section);
  }

  function drawWords() {
    const period = find("period");
    period.append(make("b", { textContent: `${time(data.from)} to ${time(data.to)} UTC` }), ` · ${data.source}`);
    find("footer").append(
      make("p", { textContent: `Made ${time(data.made, true)} UTC by vpcflow report. This page holds all that it shows and asks nobody for anything.` }),
      make("p", { textContent: "Tables and charts have the groups that are largest over the whole time, with and without a filter. Under a filter their numbers are exact; a group that is large only there may be missing." }),
    );
  }

  drawTheme();
  drawWords();
  drawFilters();
  drawTimeline();
  drawBoards();
  refresh();
  await Promise.all(drawing);
  refresh();
  document.body.dataset.ready = "";
})();
