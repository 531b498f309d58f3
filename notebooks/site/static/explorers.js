// The explorers of the course without Python: one renderer for all of them.
//
// tests/tools/export_explorers.py has asked each explorer for everything that it can show; its file,
// explorers/NAME.js, says which artists there are and holds tables of where they are and what is
// said, for every value of the controls. Nothing is computed here but the maps of small networks,
// which are stored as the networks' parameters. The pictures are SVG, because its text stays text.
"use strict";
(() => {
  const UNITS = 2000, SHADES = 100, FINE = 512, BROKEN = -30000, GRID = 41;
  const NARROW = 620; // pixels: below it the panels stand under one another
  const SVG = "http://www.w3.org/2000/svg";
  const waiting = {};

  window.gradlabExplorer = (name, data) => {
    for (const place of waiting[name] || []) place.explorer = new Explorer(place, name, data);
    waiting[name] = [];
  };

  // ------------------------------------------------------------------------------ the tables

  function unpacked(letters) {
    const numbers = [];
    let value = 0, weight = 1;
    for (let i = 0; i < letters.length; i++) {
      const code = letters.charCodeAt(i);
      const digit = code === 33 ? 57 : code - 35;
      if (digit >= 46) {
        value += (digit - 46) * weight;
        weight *= 46;
        continue;
      }
      value += digit * weight;
      numbers.push(value % 2 ? -(value + 1) / 2 : value / 2);
      value = 0;
      weight = 1;
    }
    return numbers;
  }

  function summed(numbers) {
    let total = 0;
    return numbers.map((number) => (total += number));
  }

  function curves(table) {
    const lengths = summed(unpacked(table.l)), numbers = unpacked(table.c), found = [];
    if (table.m === "r") {
      let start = 0;
      for (const length of lengths) {
        found.push(summed(numbers.slice(start, start + length)));
        start += length;
      }
      return found;
    }
    const count = lengths.length, length = lengths[0];
    let before = new Array(length).fill(0);
    for (let k = 0; k < count; k++) {
      let step = 0;
      const curve = new Array(length);
      for (let j = 0; j < length; j++) {
        step = table.m === "c" ? numbers[j * count + k] : step + numbers[k * length + j];
        curve[j] = before[j] + step;
      }
      found.push(curve);
      before = curve;
    }
    return found;
  }

  class Table {
    constructor(table, counts) {
      this.stored = table;
      this.constant = "k" in table;
      this.axes = table.a || [];
      this.counts = this.axes.map((axis) => counts[axis]);
    }
    at(state) {
      if (this.constant) return this.stored.k;
      if (!this.ids) {
        this.ids = summed(unpacked(this.stored.i));
        this.values = this.stored.s || this.stored.d || curves(this.stored);
      }
      let place = 0;
      this.axes.forEach((axis, i) => (place = place * this.counts[i] + state[axis]));
      return this.values[this.ids[place]];
    }
  }

  // ------------------------------------------------------------------------------- the colours

  // In the dark a colour of the course has a lighter sister, site.css says which.
  function paint(colour) {
    if (!colour || colour === "none") return "none";
    if (colour === "#000000") return "currentColor";
    return `var(--course-${colour.slice(1)}, ${colour})`;
  }

  function element(kind, attributes = {}, style = {}) {
    const made = document.createElementNS(SVG, kind);
    for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
    Object.assign(made.style, style);
    return made;
  }

  function html(kind, properties = {}, ...children) {
    const made = Object.assign(document.createElement(kind), properties);
    made.append(...children);
    return made;
  }

  const SHAPES = {
    o: (x, y, r) => `M${x - r} ${y}a${r} ${r} 0 1 0 ${2 * r} 0a${r} ${r} 0 1 0 ${-2 * r} 0z`,
    s: (x, y, r) => polygon(x, y, [[-r, -r], [r, -r], [r, r], [-r, r]]),
    "^": (x, y, r) => polygon(x, y, [[0, -r], [r, r], [-r, r]]),
    v: (x, y, r) => polygon(x, y, [[0, r], [r, -r], [-r, -r]]),
    "<": (x, y, r) => polygon(x, y, [[-r, 0], [r, -r], [r, r]]),
    ">": (x, y, r) => polygon(x, y, [[r, 0], [-r, -r], [-r, r]]),
    D: (x, y, r) => polygon(x, y, [[0, -1.4 * r], [1.4 * r, 0], [0, 1.4 * r], [-1.4 * r, 0]]),
    d: (x, y, r) => polygon(x, y, [[0, -1.4 * r], [0.85 * r, 0], [0, 1.4 * r], [-0.85 * r, 0]]),
    P: (x, y, r) => {
      const t = r / 3;
      return polygon(x, y, [[-t, -r], [t, -r], [t, -t], [r, -t], [r, t], [t, t],
        [t, r], [-t, r], [-t, t], [-r, t], [-r, -t], [-t, -t]]);
    },
    "*": (x, y, r) => polygon(x, y, Array.from({ length: 10 }, (_, i) => {
      const length = i % 2 ? 0.382 * r : r;
      return [length * Math.sin((Math.PI * i) / 5), -length * Math.cos((Math.PI * i) / 5)];
    })),
    X: (x, y, r) => {
      const t = r / 2;
      return polygon(x, y, [[-t, -r], [0, -t], [t, -r], [r, -t], [t, 0], [r, t],
        [t, r], [0, t], [-t, r], [-r, t], [-t, 0], [-r, -t]]);
    },
    x: (x, y, r) => `M${x - r} ${y - r}l${2 * r} ${2 * r}m0 ${-2 * r}l${-2 * r} ${2 * r}`,
    "+": (x, y, r) => `M${x - r} ${y}h${2 * r}M${x} ${y - r}v${2 * r}`,
    "|": (x, y, r) => `M${x} ${y - r}v${2 * r}`,
    _: (x, y, r) => `M${x - r} ${y}h${2 * r}`,
    ".": (x, y, r) => SHAPES.o(x, y, r / 2),
  };

  function polygon(x, y, corners) {
    return `M${corners.map(([dx, dy]) => `${round(x + dx)} ${round(y + dy)}`).join("L")}z`;
  }

  const round = (number) => Math.round(number * 10) / 10;

  // A line and its markers, as two paths.
  function drawnLine(look, scale = 1) {
    const group = element("g");
    if (look.stroke) {
      group.line = element("path", { fill: "none", "stroke-linejoin": "round" }, {
        stroke: paint(look.stroke), strokeWidth: look.width * 0.85,
        strokeDasharray: look.dashes ? look.dashes.join(" ") : "none",
      });
      group.append(group.line);
    }
    if (look.marker) {
      const open = "x+|_".includes(look.marker);
      group.markers = element("path", {}, {
        fill: open ? "none" : paint(look.fill), stroke: paint(look.edge),
        strokeWidth: look.edgeWidth * 0.85,
      });
      group.shape = SHAPES[look.marker];
      group.radius = (look.size / 2) * scale;
      group.append(group.markers);
    }
    if (look.alpha !== undefined) group.style.opacity = look.alpha;
    return group;
  }

  // Bytes of an image, as an address that an SVG image takes.
  const canvas = document.createElement("canvas");
  function shaded(numbers, rows, palette, upwards) {
    const columns = numbers.length / rows;
    canvas.width = columns;
    canvas.height = rows;
    const context = canvas.getContext("2d");
    const pixels = context.createImageData(columns, rows);
    for (let i = 0; i < numbers.length; i++) {
      const row = upwards ? rows - 1 - Math.floor(i / columns) : Math.floor(i / columns);
      const at = 4 * (row * columns + (i % columns)), shade = numbers[i];
      if (shade < 0) continue;
      pixels.data.set(palette[shade], at);
    }
    context.putImageData(pixels, 0, 0);
    return canvas.toDataURL();
  }

  function rgba(palette) {
    return palette.match(/.{6}/g).map((colour) => [
      ...[0, 2, 4].map((at) => parseInt(colour.slice(at, at + 2), 16)), 255]);
  }

  // What a network with two inputs computes over the square: sigmoid(X W1 + b1) W2 + b2.
  function network(numbers, unit, [low, high]) {
    const hidden = (numbers.length - 1) / 4, shades = new Array(GRID * GRID);
    const value = (i) => (numbers[i] === BROKEN ? NaN : numbers[i] / FINE);
    for (let i = 0; i < GRID * GRID; i++) {
      const x1 = -1 + (2 * (i % GRID)) / (GRID - 1), x2 = -1 + (2 * Math.floor(i / GRID)) / (GRID - 1);
      let sum = unit === null ? value(4 * hidden) : 0;
      for (let j = unit ?? 0; j < (unit === null ? hidden : unit + 1); j++) {
        const z = x1 * value(j) + x2 * value(hidden + j) + value(2 * hidden + j);
        const h = 1 / (1 + Math.exp(-z));
        sum += unit === null ? h * value(3 * hidden + j) : h;
      }
      const shade = Math.floor(((sum - low) / (high - low)) * SHADES);
      shades[i] = Number.isNaN(shade) ? -1 : Math.min(Math.max(shade, 0), SHADES - 1);
    }
    return shades;
  }

  // ------------------------------------------------------------------------------ an explorer

  let count = 0;

  class Explorer {
    constructor(place, name, data) {
      this.data = data;
      this.id = `explorer-${name}-${count++}`;
      const turning = data.controls.filter((control) => control.options);
      this.tables = data.tables.map(
        (table) => new Table(table, turning.map((control) => control.options.length)));
      this.state = data.controls.map((control) => control.start);
      this.palettes = {};

      this.words = html("p", { className: "explorer-words", id: `${this.id}-words` });
      this.words.setAttribute("role", "status");
      this.words.style.minHeight = `${1.5 * data.lines}em`;
      this.legend = html("div", { className: "explorer-legend" });
      this.figure = html("div", { className: "explorer-picture" });
      const task = html("p", { className: "explorer-task" }, html("strong", {}, "Try: "), data.task);
      const controls = html("div", { className: "explorer-controls" });
      this.inputs = data.controls.map((control, i) => this.control(control, i, controls));
      const alt = html("p", { className: "unseen" }, `As it opens: ${data.alt}`);
      place.replaceChildren(task, controls, this.legend, this.figure, this.words, alt);
      place.setAttribute("role", "group");
      place.setAttribute("aria-label", "Explorer");
      this.fillLegend();
      new ResizeObserver(([entry]) => this.resize(entry.contentRect.width)).observe(this.figure);
      this.resize(this.figure.clientWidth);
    }

    // The leaves for the state: where everything is, and what is said.
    get leaves() {
      const { controls, cases } = this.data;
      const key = this.state.filter((_, i) => !controls[i].options).join("");
      const turns = this.state.filter((_, i) => controls[i].options);
      const found = {};
      for (const [leaf, table] of Object.entries(cases[key])) found[leaf] = this.tables[table].at(turns);
      return found;
    }

    set(i, value) {
      this.state[i] = value;
      this.inputs[i](value);
      this.draw();
    }

    // ---------------------------------------------------------------------------- controls

    control(control, i, parent) {
      const id = `${this.id}-${control.name}`;
      const label = html("label", { htmlFor: id }, control.label);
      if (control.kind === "slider") {
        const input = html("input", {
          type: "range", id, min: 0, max: control.options.length - 1, step: 1, value: control.start,
        });
        const output = html("span", { className: "explorer-value" });
        output.setAttribute("aria-hidden", "true"); // the slider says it itself
        const box = html("div", { className: "explorer-slider" }, label, output, input);
        if (this.data.play && i === 0) box.append(this.player(control));
        parent.append(box);
        input.addEventListener("input", () => this.set(i, Number(input.value)));
        const show = (value) => {
          input.value = value;
          output.textContent = control.options[value];
          input.setAttribute("aria-valuetext", control.options[value]);
        };
        show(control.start);
        return show;
      }
      if (control.kind === "menu") {
        const select = html("select", { id });
        control.options.forEach((text, value) => select.append(new Option(text, value)));
        select.selectedIndex = control.start;
        parent.append(html("div", { className: "explorer-menu" }, label, select));
        select.addEventListener("change", () => this.set(i, select.selectedIndex));
        return (value) => (select.selectedIndex = value);
      }
      if (control.kind === "tick") {
        const box = html("input", { type: "checkbox", id, checked: Boolean(control.start) });
        parent.append(html("div", { className: "explorer-tick" }, box, label));
        box.addEventListener("change", () => this.set(i, Number(box.checked)));
        return (value) => (box.checked = Boolean(value));
      }
      const button = html("button", { type: "button", id }, control.label);
      button.setAttribute("aria-pressed", Boolean(control.start));
      parent.append(html("div", { className: "explorer-button" }, button));
      button.addEventListener("click", () => this.set(i, 1 - this.state[i]));
      return (value) => button.setAttribute("aria-pressed", Boolean(value));
    }

    player(control) {
      const button = html("button", { type: "button", className: "explorer-player" }, "Play");
      const last = control.options.length - 1;
      let timer = null;
      const stop = () => {
        clearInterval(timer);
        timer = null;
        button.textContent = "Play";
      };
      button.addEventListener("click", () => {
        if (timer !== null) return stop();
        if (this.state[0] === last) this.set(0, 0);
        button.textContent = "Pause";
        timer = setInterval(() => {
          if (this.state[0] >= last) return stop();
          this.set(0, this.state[0] + 1);
        }, this.data.play);
      });
      return button;
    }

    fillLegend() {
      this.samples = [];
      for (const { legend } of this.data.panels) {
        if (!legend) continue;
        if (legend.title) this.legend.append(html("span", { className: "explorer-legend-title" }, `${legend.title}:`));
        for (const entry of legend.entries) {
          const sample = element("svg", { width: 44, height: 18, viewBox: "0 0 44 18", "aria-hidden": "true" });
          const line = drawnLine(entry);
          if (line.line) line.line.setAttribute("d", "M2 9H42");
          if (line.markers) line.markers.setAttribute("d", line.shape(22, 9, Math.min(line.radius, 7)));
          sample.append(line);
          const box = html("span", { className: "explorer-sample" }, sample, entry.label);
          this.legend.append(box);
          this.samples.push([entry.stroke || entry.fill, box]);
        }
      }
      this.legend.hidden = this.samples.length === 0;
    }

    // ------------------------------------------------------------------------------ layout

    resize(width) {
      if (!width || Math.round(width) === this.width) return;
      this.width = Math.round(width);
      this.build();
      this.draw();
    }

    // The box of every panel in pixels, and the height of the picture.
    layout() {
      const { panels, size } = this.data;
      const wide = this.width >= NARROW;
      const boxes = [];
      this.borrowed = {}; // names of rows that stand beside the neighbour on a wide page
      if (wide) {
        const shrink = Math.min(1, this.width / size[0]);
        panels.forEach(({ box: [x, y, w, h] }, i) => {
          boxes[i] = [x * size[0] * shrink, y * size[1], w * size[0] * shrink, h * size[1]];
        });
        return [boxes, size[1], wide];
      }
      const rows = [];
      panels.forEach(({ box }, i) => {
        const row = rows.find((r) => Math.abs(panels[r[0]].box[1] - box[1]) < 0.05);
        if (row) row.push(i);
        else rows.push([i]);
      });
      let y = 0;
      for (const row of rows.sort((a, b) => panels[a[0]].box[1] - panels[b[0]].box[1])) {
        const maps = row.filter((i) => !panels[i].bar), bars = row.filter((i) => panels[i].bar);
        const [, , w0, h0] = panels[maps[0]].box;
        const [pw, ph] = [w0 * size[0], h0 * size[1]];
        const many = (panels[maps[0]].y || []).length > 8; // rows with names, which need their room
        const across = w0 > 0.5 || many ? 1 : pw > 150 ? 2 : 3;
        if (many) for (const i of maps) this.borrowed[i] = panels[maps[0]].y;
        const ticked = panels[maps[0]].y && panels[maps[0]].y.length > 0;
        const left = ticked ? Math.min(16 + 7 * Math.max(...panels[maps[0]].y.map(([, t]) => t.length)), 92) : 4;
        const gap = across > 1 ? 26 : 0;
        const w = (this.width - left - 12 - gap * (across - 1)) / across;
        const h = many ? 17 * panels[maps[0]].y.length : across > 1 ? (w * ph) / pw : Math.min(Math.max(ph, 150), panels[maps[0]].sides ? 300 : 360);
        maps.forEach((i, k) => {
          if (k % across === 0) y += this.room(i) + (k ? 8 : 0);
          boxes[i] = [left + (k % across) * (w + gap), y, w, h];
          if (k % across === across - 1 || k === maps.length - 1) y += h + this.below(i);
        });
        for (const i of bars) {
          y += 26;
          boxes[i] = [left + 10, y, this.width - left - 34, 12];
          y += 34;
        }
      }
      return [boxes, y + 4, wide];
    }

    // Pixels above a panel for its heading, and below it for its ticks and its name.
    room(i) {
      const panel = this.data.panels[i];
      const above = this.data.items.filter((item) => item.panel === i && item.above);
      const lines = above.some((item) => item.ha === "left") ? 2 : above.length ? 1 : 0;
      return 16 + 20 * lines + (panel.title ? 20 : 0) + (panel.ylabel && !this.small(i) ? 20 : 0);
    }

    below(i) {
      const { x, xlabel } = this.data.panels[i];
      return (x && x.length ? 22 : 2) + (xlabel ? 20 : 0) + 4;
    }

    small(i) {
      return this.data.panels[i].box[2] < 0.5;
    }

    build() {
      const [boxes, height, wide] = this.layout();
      const svg = element("svg", {
        viewBox: `0 0 ${this.width} ${round(height)}`, width: this.width, height: round(height), role: "img",
        "aria-label": "The picture of this explorer", "aria-describedby": this.words.id,
      });
      this.boxes = boxes;
      this.wide = wide;
      const clips = element("defs");
      svg.append(clips);
      this.data.panels.forEach((panel, i) => {
        const [x, y, w, h] = boxes[i];
        if (panel.bar) return svg.append(this.bar(panel, boxes[i]));
        const clip = element("clipPath", { id: `${this.id}-clip-${i}` });
        clip.append(element("rect", { x, y: y - 6, width: w + 6, height: h + 12 }));
        clips.append(clip);
        svg.append(this.frame(panel, boxes[i], i));
      });
      this.nodes = this.data.items.map((item) => {
        const node = this.node(item);
        svg.append(node);
        if (item.moves === undefined) this.placeItem(node, item, item);
        return node;
      });
      this.figure.replaceChildren(svg);
      this.shown = {};
    }

    text(x, y, words, { anchor = "start", size = 14, turned = false, fill = "", bold = false } = {}) {
      const node = element("text", { x: round(x), y: round(y), "text-anchor": anchor });
      node.style.fontSize = `${size}px`;
      if (fill) node.style.fill = fill;
      if (bold) node.style.fontWeight = "bold";
      if (turned) node.setAttribute("transform", `rotate(-90 ${round(x)} ${round(y)})`);
      node.textContent = words;
      return node;
    }

    // Ticks, their labels, the grid, the sides and the names of a panel.
    frame(panel, [x, y, w, h], i) {
      const group = element("g");
      if (panel.title) {
        group.append(this.text(x + w / 2, y - 8, panel.title, { anchor: "middle", size: 15 }));
      }
      if (!panel.sides) return group;
      let grid = "", sides = "";
      const rows = this.borrowed[i] || panel.y;
      for (const [u, label] of panel.x) {
        const at = round(x + (u / UNITS) * w);
        if (panel.grid[0]) grid += `M${at} ${round(y)}v${round(h)}`;
        if (panel.sides.includes("bottom")) sides += `M${at} ${round(y + h)}v5`;
        group.append(this.text(at, y + h + 19, label, { anchor: "middle", size: 13 }));
      }
      for (const [u, label] of rows) {
        const at = round(y + h - (u / UNITS) * h);
        if (panel.grid[1]) grid += `M${round(x)} ${at}h${round(w)}`;
        if (panel.sides.includes("left")) sides += `M${round(x)} ${at}h-5`;
        group.append(this.text(x - 9, at + 4.5, label, { anchor: "end", size: 13 }));
      }
      if (panel.sides.includes("left")) sides += `M${round(x)} ${round(y)}v${round(h)}`;
      if (panel.sides.includes("bottom")) sides += `M${round(x)} ${round(y + h)}h${round(w)}`;
      if (panel.sides.includes("right")) sides += `M${round(x + w)} ${round(y)}v${round(h)}`;
      if (panel.sides.includes("top")) sides += `M${round(x)} ${round(y)}h${round(w)}`;
      group.prepend(element("path", { d: grid, class: "explorer-grid" }), element("path", { d: sides, class: "explorer-sides" }));
      if (panel.xlabel) {
        group.append(this.text(x + w / 2, y + h + (panel.x.length ? 40 : 20), panel.xlabel, { anchor: "middle" }));
      }
      if (panel.ylabel) {
        if (this.wide) {
          const longest = Math.max(0, ...panel.y.map(([, label]) => label.length));
          const lines = panel.ylabel.split("\n");
          lines.forEach((line, k) => group.append(this.text(
            x - 18 - 7.4 * Math.min(longest, 10) - 17 * (lines.length - 1 - k), y + h / 2, line,
            { anchor: "middle", turned: true })));
        } else if (!this.small(i)) {
          group.append(this.text(2, y - 10, panel.ylabel.replace("\n", " ")));
        }
      }
      return group;
    }

    bar(panel, [x, y, w, h]) {
      const group = element("g"), upright = h > w, colours = rgba(panel.bar);
      const numbers = colours.map((_, i) => i);
      const href = upright ? shaded(numbers, SHADES, colours, true) : shaded(numbers, 1, colours, false);
      group.append(element("image", { x, y, width: w, height: h, href, preserveAspectRatio: "none" }));
      for (const [u, label] of panel.ticks) {
        const part = u / UNITS;
        group.append(upright
          ? this.text(x + w + 6, y + h - part * h + 4.5, label, { size: 13 })
          : this.text(x + part * w, y + h + 15, label, { anchor: "middle", size: 13 }));
      }
      if (panel.label) {
        const longest = Math.max(...panel.ticks.map(([, label]) => label.length));
        group.append(upright
          ? this.text(x + w + 22 + 7.4 * longest, y + h / 2, panel.label, { anchor: "middle", size: 13, turned: true })
          : this.text(x + w / 2, y - 6, panel.label, { anchor: "middle", size: 13 }));
      }
      if (panel.title) group.append(this.text(upright ? x + w / 2 : x, y - (upright ? 10 : 22), panel.title, { anchor: upright ? "middle" : "start", size: 13 }));
      return group;
    }

    // ------------------------------------------------------------------------------- items

    node(item, look = item) {
      let node;
      if (item.kind === "line") {
        node = drawnLine(look, this.wide ? 0.85 : 0.72);
        // Crosses on a map stay black in the dark: the map stays as light as it is.
        if (this.data.items.some((other) => other.kind === "image" && other.panel === item.panel)) {
          node.style.color = "#000";
        }
      }
      else if (item.kind === "dots") node = element("g");
      else if (item.kind === "image") {
        node = element("image", { preserveAspectRatio: "none" });
        if (!item.smooth) node.style.imageRendering = "pixelated";
      } else if (item.kind === "area") {
        node = element("path", {}, {
          fill: paint(item.fill), stroke: item.edgeWidth ? paint(item.edge) : "none", opacity: item.alpha,
        });
      } else node = element("text");
      if (item.kind === "line" || item.kind === "area") {
        node.setAttribute("clip-path", `url(#${this.id}-clip-${item.panel})`);
      }
      return node;
    }

    // Put a node where ``leaf`` says: x and y in units of the panel.
    placeItem(node, item, leaf) {
      const [x0, y0, w, h] = this.boxes[item.panel];
      const X = (u) => round(x0 + (u / UNITS) * w), Y = (v) => round(y0 + h - (v / UNITS) * h);
      if (item.kind === "line") {
        if (node.line) node.line.setAttribute("d", this.path(leaf, X, Y));
        if (node.markers) {
          let d = "";
          leaf.x.forEach((u, k) => {
            if (leaf.y[k] !== BROKEN && u !== BROKEN) d += node.shape(X(u), Y(leaf.y[k]), node.radius);
          });
          node.markers.setAttribute("d", d);
        }
      } else if (item.kind === "dots") {
        leaf.x.forEach((u, k) => {
          const r = (item.size / 2) * (this.wide ? 0.85 : 0.65);
          node.append(element("circle", { cx: X(u), cy: Y(leaf.y[k]), r }, {
            fill: item.fills[k % item.fills.length], stroke: item.edge, strokeWidth: item.edgeWidth,
          }));
        });
      } else if (item.kind === "area") {
        node.setAttribute("d", `M${leaf.x.map((u, k) => `${X(u)} ${Y(leaf.y[k])}`).join("L")}z`);
      } else if (item.kind === "image") {
        const [left, right] = item.x.map(X), [bottom, top] = item.y.map(Y);
        node.setAttribute("x", Math.min(left, right));
        node.setAttribute("y", Math.min(top, bottom));
        node.setAttribute("width", Math.abs(right - left));
        node.setAttribute("height", Math.abs(bottom - top));
        const palette = (this.palettes[item.palette] ||= rgba(item.palette));
        const numbers = leaf.numbers ? network(leaf.numbers, item.unit, item.clim) : leaf.pixels;
        node.setAttribute("href", shaded(numbers, item.rows, palette, item.upwards));
      } else this.placeText(node, item, leaf, X, Y);
    }

    path(leaf, X, Y) {
      let d = "", pen = "M";
      for (let k = 0; k < leaf.x.length; k++) {
        let u = leaf.x[k], v = leaf.y[k];
        if (v === BROKEN || u === BROKEN) {
          pen = "M";
          continue;
        }
        const end = leaf.until !== undefined && u > leaf.until;
        if (end) { // the line is the beginning of a longer one
          if (k === 0) break;
          const part = (leaf.until - leaf.x[k - 1]) / (u - leaf.x[k - 1]);
          v = leaf.y[k - 1] + part * (v - leaf.y[k - 1]);
          u = leaf.until;
        }
        d += `${pen}${X(u)} ${Y(v)}`;
        pen = "L";
        if (end) break;
      }
      return d;
    }

    placeText(node, item, leaf, X, Y) {
      const small = this.small(item.panel) && !this.wide;
      const diagram = !this.data.panels[item.panel].sides && this.data.panels[item.panel].box[2] > 0.95;
      const most = small ? 11.5 : diagram && !this.wide ? 0.62 * item.size : 15;
      const size = Math.min(item.size * 0.88, most);
      const [x0, y0, w] = this.boxes[item.panel];
      node.style.fontSize = `${size}px`;
      node.style.fill = paint(leaf.colour || item.fill);
      if (item.bold) node.style.fontWeight = "bold";
      node.setAttribute("text-anchor", { left: "start", center: "middle", right: "end" }[item.ha]);
      let lines = leaf.text.split("\n"), x = X(leaf.x[0]), y = Y(leaf.y[0]);
      if (item.above && item.ha === "left") {
        const room = this.wide ? this.width - x0 : this.width - 4;
        if (!this.wide) x = 2;
        lines = wrapped(leaf.text, room, size);
        const named = !this.wide && this.data.panels[item.panel].ylabel ? 32 : 12;
        y = y0 - named - (lines.length - 1) * 1.25 * size;
      } else if (item.above) y = y0 - 6;
      else if (item.va === "top") y += 0.8 * size;
      else if (item.va === "center" || item.va === "center_baseline") {
        y += (0.35 - 0.625 * (lines.length - 1)) * size;
      }
      if (!this.wide && !item.above && item.ha === "left") x += 6; // clear of a marker before it
      node.replaceChildren(...lines.map((line, k) => {
        const span = element("tspan", { x: round(x), y: round(y + 1.25 * size * k) });
        span.textContent = line;
        return span;
      }));
    }

    // -------------------------------------------------------------------------------- draw

    draw() {
      const leaves = this.leaves, { items } = this.data;
      const seen = new Set();
      items.forEach((item, i) => {
        if (item.kind === "line" && (item.moves === undefined || leaves[`a${item.moves}.v`])) {
          seen.add(item.stroke || item.fill);
        }
        if (item.moves === undefined) return;
        const name = `a${item.moves}`, look = leaves[`${name}.l`];
        const shown = Boolean(leaves[`${name}.v`]);
        let node = this.nodes[i];
        if (shown && look && node.look !== look) { // its colour, its dashes or its marker are others
          this.nodes[i] = this.node(item, JSON.parse(look));
          node.replaceWith(this.nodes[i]);
          node = this.nodes[i];
          node.look = look;
          delete this.shown[name];
        }
        node.style.display = shown ? "" : "none";
        if (!shown) return;
        const leaf = item.kind === "text"
          ? { x: leaves[`${name}.x`], y: leaves[`${name}.y`], text: said(leaves, name), colour: leaves[`${name}.c`] }
          : item.kind === "image"
            ? { numbers: leaves[`${name}.n`], pixels: leaves[`${name}.z`] }
            : { x: leaves[`${name}.x`], y: leaves[`${name}.y`], until: leaves[`${name}.u`]?.[0] };
        if (item.kind === "dots") {
          if (this.shown[name] === undefined) this.placeItem(node, item, item);
          this.shown[name] = [];
          return;
        }
        const parts = Object.values(leaf), before = this.shown[name];
        if (before && parts.every((part, k) => part === before[k])) return; // it stayed
        this.shown[name] = parts;
        this.placeItem(node, item, leaf);
      });
      for (const [colour, box] of this.samples) box.hidden = !seen.has(colour);
      const lines = Array.from({ length: leaves.lines }, (_, i) => said(leaves, `w${i}`));
      const words = lines.join("\n");
      if (words !== this.words.textContent) this.words.textContent = words;
    }
  }

  // A text from its wording and its numbers.
  function said(leaves, name) {
    let i = 0;
    return leaves[`${name}.t`].replace(/#/g, () => leaves[`${name}.t${i++}`]);
  }

  function wrapped(text, room, size) {
    const context = canvas.getContext("2d");
    context.font = `${size}px sans-serif`;
    const lines = [""];
    for (const word of text.split(" ")) {
      const longer = lines.at(-1) ? `${lines.at(-1)} ${word}` : word;
      if (context.measureText(longer).width > room && lines.at(-1)) lines.push(word);
      else lines[lines.length - 1] = longer;
    }
    return lines;
  }

  // An explorer is fetched when it is nearly in sight.
  function fetched(place) {
    const name = place.dataset.explorer;
    (waiting[name] ||= []).push(place);
    if (waiting[name].length > 1) return;
    const root = document.documentElement.dataset.content_root || "";
    const script = html("script", { src: `${root}_static/explorers/${name}.js` });
    script.addEventListener("error", () => {
      place.textContent = "The data of this explorer could not be loaded.";
    });
    document.head.append(script);
  }

  const watcher = new IntersectionObserver((entries) => {
    for (const { isIntersecting, target } of entries) {
      if (!isIntersecting) continue;
      watcher.unobserve(target);
      fetched(target);
    }
  }, { rootMargin: "800px" });
  for (const place of document.querySelectorAll(".explorer")) watcher.observe(place);
})();
