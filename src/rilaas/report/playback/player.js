// Plays a recorded drive: camera, view from above and signals on one clock.
// The drive is in the page (#player-data), or is fetched from the address in data-recording of #player.
(() => {
  "use strict";
  const root = document.getElementById("player");
  if (!root) return;
  const RATES = [0.1, 0.25, 0.5, 1, 2, 4, 8];
  const LAMPS = ["#2fbf71", "#f2b632", "#ff3b3b"]; // green, yellow, red
  const FOLLOWED_M = 1.9; // what the view from above shows when it follows the robot
  const KEPT_PICTURES = 64;

  // ---- Small things ------------------------------------------------------------------------------------------
  function el(tag, attributes = {}, ...children) {
    const node = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes)) {
      if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
      else if (value === true) node.setAttribute(name, "");
      else if (value !== false && value != null) node.setAttribute(name, value);
    }
    node.append(...children);
    return node;
  }
  const seconds = (t) => `${t.toFixed(2)} s`;
  const clamp = (value, low, high) => Math.min(high, Math.max(low, value));
  const colour = (name) => getComputedStyle(root).getPropertyValue(name).trim();
  // Index of the last stamp that is not after t; -1 before the first.
  function indexAt(stamps, t) {
    let low = 0, high = stamps.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (stamps[middle] <= t + 1e-6) low = middle + 1;
      else high = middle;
    }
    return low - 1;
  }
  function number(value, unit) {
    if (value == null) return "–";
    const digits = Math.abs(value) >= 100 ? 0 : Math.abs(value) >= 10 ? 1 : Math.abs(value) >= 1 ? 2 : 3;
    return `${value.toFixed(digits).replace("-", "−")}${unit && unit !== "1" ? ` ${unit}` : ""}`;
  }
  // A canvas as large as its box, in real pixels; draw(context, width, height) in CSS pixels.
  function surface(canvas, draw) {
    const paint = () => {
      const scale = window.devicePixelRatio || 1, width = canvas.clientWidth, height = canvas.clientHeight;
      if (!width || !height) return;
      const [w, h] = [Math.round(width * scale), Math.round(height * scale)];
      if (canvas.width !== w || canvas.height !== h) [canvas.width, canvas.height] = [w, h];
      const context = canvas.getContext("2d");
      context.setTransform(scale, 0, 0, scale, 0, 0);
      context.clearRect(0, 0, width, height);
      draw(context, width, height, scale);
    };
    new ResizeObserver(paint).observe(canvas);
    return paint;
  }

  // ---- The clock ---------------------------------------------------------------------------------------------
  function makeClock(end) {
    const clock = { t: 0, end, rate: 1, playing: false, parts: [], told: 0 };
    let last = 0;
    clock.show = () => clock.parts.forEach((part) => part(clock.t));
    clock.seek = (t, { link = true } = {}) => {
      clock.t = clamp(Number.isFinite(t) ? t : 0, 0, end);
      clock.show();
      if (link) clock.link();
    };
    // Browsers limit how often the address may change.
    clock.link = (now = performance.now()) => {
      clearTimeout(clock.later);
      if (now - clock.told < 400) {
        clock.later = setTimeout(clock.link, 420);
        return;
      }
      clock.told = now;
      try {
        history.replaceState(history.state, "", `#t=${clock.t.toFixed(2)}`);
      } catch { /* where it may not change, the time is still shown */ }
    };
    const step = (now) => {
      if (!clock.playing) return;
      const t = clock.t + (clock.rate * Math.min(250, now - last)) / 1000;
      last = now;
      clock.seek(t, { link: now - clock.told > 1000 });
      if (clock.t >= end) clock.play(false);
      else requestAnimationFrame(step);
    };
    clock.play = (on) => {
      if (on === clock.playing) return;
      if (on && clock.t >= end - 1e-6) clock.seek(0);
      clock.playing = on;
      last = performance.now();
      if (on) requestAnimationFrame(step);
      else clock.link();
      clock.changed?.();
    };
    return clock;
  }

  // ---- Camera ------------------------------------------------------------------------------------------------
  function camera(drive, clock) {
    const film = drive.film, canvas = el("canvas", { role: "img", class: "player-camera", width: 160, height: 120 });
    const stamp = el("span", { class: "player-value" });
    const figure = el("figure", {}, el("figcaption", {}, el("b", {}, "Camera"), stamp), canvas);
    if (!film.t.length) {
      canvas.remove();
      figure.append(el("p", { class: "player-none" }, "No pictures were recorded."));
      return figure;
    }
    const kept = new Map();
    let wanted = -1;
    const decoded = (index) => {
      if (!kept.has(index)) {
        const bytes = Uint8Array.from(atob(film.jpeg[index]), (sign) => sign.charCodeAt(0));
        kept.set(index, createImageBitmap(new Blob([bytes], { type: "image/jpeg" })));
        for (const old of kept.keys()) {
          if (kept.size <= KEPT_PICTURES) break;
          kept.delete(old);
        }
      }
      return kept.get(index);
    };
    clock.parts.push(async (t) => {
      const index = Math.max(0, indexAt(film.t, t));
      if (index === wanted) return;
      wanted = index;
      stamp.textContent = `shown to the policy at ${seconds(film.t[index])}`;
      canvas.setAttribute("aria-label", `What the policy saw at ${seconds(film.t[index])}`);
      let picture;
      try {
        picture = await decoded(index);
      } catch {
        stamp.textContent = `the picture of ${seconds(film.t[index])} is broken`;
        return;
      }
      if (index !== wanted) return;
      [canvas.width, canvas.height] = [picture.width, picture.height];
      canvas.getContext("2d").drawImage(picture, 0, 0);
      if (index + 1 < film.t.length) decoded(index + 1).catch(() => {});
    });
    return figure;
  }

  // ---- View from above ---------------------------------------------------------------------------------------
  function poseAt(drive, track, t) {
    if (track.x.length === 1) return [track.x[0], track.y[0], track.heading[0]];
    const i = clamp(indexAt(drive.t, t), 0, drive.t.length - 1), j = Math.min(i + 1, drive.t.length - 1);
    const share = j > i ? clamp((t - drive.t[i]) / (drive.t[j] - drive.t[i]), 0, 1) : 0;
    const turn = Math.atan2(Math.sin(track.heading[j] - track.heading[i]), Math.cos(track.heading[j] - track.heading[i]));
    const between = (values) => values[i] + share * (values[j] - values[i]);
    return [between(track.x), between(track.y), track.heading[i] + share * turn];
  }
  function rectangle(context, [x, y, heading], box, fill, edge) {
    context.save();
    context.translate(x, y);
    context.rotate(heading);
    context.translate(box.ahead, 0);
    context.beginPath();
    context.roundRect(-box.length / 2, -box.width / 2, box.length, box.width, 0.22 * box.width);
    context.fillStyle = fill;
    context.fill();
    context.lineWidth = 0.012;
    context.strokeStyle = edge;
    context.stroke();
    context.beginPath(); // the front
    context.moveTo(0.46 * box.length, 0);
    context.lineTo(0.14 * box.length, 0.34 * box.width);
    context.lineTo(0.14 * box.length, -0.34 * box.width);
    context.fillStyle = edge;
    context.fill();
    context.restore();
  }
  function mover(context, each, pose) {
    if (each.kind === "vehicle") return rectangle(context, pose, each, "#b79cff", "#2a1d57");
    const [x, y, heading] = pose, size = Math.max(each.length, each.width);
    context.save();
    context.translate(x, y);
    context.rotate(heading);
    context.translate(each.ahead, 0);
    context.lineWidth = 0.012;
    context.beginPath();
    if (each.kind === "duckie") {
      context.arc(0, 0, Math.max(0.035, size / 2), 0, 2 * Math.PI);
      context.fillStyle = "#ffd83d";
    } else {
      context.rect(-each.length / 2, -each.width / 2, each.length, each.width);
      context.fillStyle = "#ff9a3d";
    }
    context.fill();
    context.strokeStyle = "#4a3500";
    context.stroke();
    context.restore();
    return undefined;
  }
  function lamp(context, light, state) {
    const [x, y, heading] = light.pose, side = light.halfWidth + 0.05; // to the right of its lane
    context.save();
    context.translate(x + side * Math.sin(heading), y - side * Math.cos(heading));
    context.beginPath();
    context.arc(0, 0, 0.058, 0, 2 * Math.PI);
    context.fillStyle = "#16181c";
    context.fill();
    context.beginPath();
    context.arc(0, 0, 0.04, 0, 2 * Math.PI);
    context.fillStyle = LAMPS[state] ?? "#888";
    context.fill();
    context.restore();
  }
  function cross(context, mark, isPast, zoom) {
    const size = Math.max(0.045, 5 / zoom);
    context.globalAlpha = isPast ? 1 : 0.45;
    for (const [width, stroke] of [[0.9 * size, "#fff"], [0.5 * size, "#e5202b"]]) {
      context.beginPath();
      context.moveTo(mark.x - size, mark.y - size);
      context.lineTo(mark.x + size, mark.y + size);
      context.moveTo(mark.x - size, mark.y + size);
      context.lineTo(mark.x + size, mark.y - size);
      context.lineWidth = width;
      context.lineCap = "round";
      context.strokeStyle = stroke;
      context.stroke();
    }
    context.globalAlpha = 1;
  }
  function way(context, drive, from, to, pose) {
    context.beginPath();
    for (let i = from; i <= to; i += 1) context.lineTo(drive.robot.x[i] ?? drive.robot.x[0], drive.robot.y[i] ?? drive.robot.y[0]);
    if (pose) context.lineTo(pose[0], pose[1]);
    context.stroke();
  }
  function above(drive, clock) {
    const map = drive.map, canvas = el("canvas", { role: "img", class: "player-above" });
    const follow = el("input", { type: "checkbox" });
    const label = el("label", { class: "player-value" }, follow, " follow the robot");
    const figure = el("figure", {}, el("figcaption", {}, el("b", {}, "From above"), label), canvas);
    const picture = new Image();
    let sheet = null;
    canvas.style.setProperty("--ratio", `${map.width} / ${map.height}`);
    // Drawn once: a scalable picture would be drawn anew for each frame.
    picture.addEventListener("load", () => {
      const scale = Math.min(3072 / Math.max(map.width, map.height), 420);
      sheet = el("canvas", { width: Math.round(scale * map.width), height: Math.round(scale * map.height) });
      sheet.getContext("2d").drawImage(picture, 0, 0, sheet.width, sheet.height);
      paint();
    });
    if (map.picture) picture.src = map.picture;
    const paint = surface(canvas, (context, width, height, scale) => {
      const t = clock.t, pose = poseAt(drive, drive.robot, t);
      const whole = Math.min(width / map.width, height / map.height);
      const zoom = follow.checked ? Math.max(whole, Math.min(width, height) / FOLLOWED_M) : whole;
      const centre = follow.checked && zoom > whole ? pose : [map.left + map.width / 2, map.bottom + map.height / 2];
      context.setTransform(scale * zoom, 0, 0, -scale * zoom, scale * (width / 2 - zoom * centre[0]), scale * (height / 2 + zoom * centre[1]));
      if (sheet) {
        context.save();
        context.translate(map.left, map.bottom + map.height);
        context.scale(1, -1);
        context.drawImage(sheet, 0, 0, map.width, map.height);
        context.restore();
      }
      const now = Math.max(0, indexAt(drive.t, t));
      [context.lineJoin, context.lineCap] = ["round", "round"];
      [context.lineWidth, context.strokeStyle] = [Math.max(0.014, 1.2 / zoom), "rgba(255,255,255,.45)"];
      way(context, drive, now, drive.t.length - 1);
      [context.lineWidth, context.strokeStyle] = [Math.max(0.026, 2.4 / zoom), "#6fd0ff"];
      way(context, drive, 0, now, pose);
      for (const light of drive.lights) lamp(context, light, light.states[now]);
      for (const mark of drive.marks) cross(context, mark, mark.t <= t + 1e-6, zoom);
      for (const each of drive.movers) mover(context, each, poseAt(drive, each, t));
      rectangle(context, pose, drive.robot, "#ffffff", "#0b4f94");
    });
    follow.addEventListener("change", paint);
    clock.parts.push((t) => {
      paint();
      const [x, y] = poseAt(drive, drive.robot, t);
      canvas.setAttribute("aria-label", `The map from above at ${seconds(t)}: the robot is ${x.toFixed(2)} m right and ${y.toFixed(2)} m up of the lower left corner`);
    });
    clock.follow = () => { follow.checked = !follow.checked; paint(); };
    return figure;
  }

  // ---- Plots -------------------------------------------------------------------------------------------------
  const LEFT = 46, RIGHT = 10, TOP = 6;
  function ticks(low, high, wanted) {
    const raw = (high - low) / wanted, power = 10 ** Math.floor(Math.log10(raw));
    const step = power * [1, 2, 2.5, 5, 10].find((factor) => factor * power >= raw);
    const found = [];
    for (let k = Math.ceil(low / step - 1e-9); k * step <= high + 1e-9 * step; k += 1) found.push(k * step);
    return found;
  }
  function span(spec) {
    let low = 0, high = 0;
    for (const value of [spec.limit, ...spec.series.flatMap((each) => each.v)]) {
      if (value == null) continue;
      low = Math.min(low, value);
      high = Math.max(high, value);
    }
    const margin = 0.08 * (high - low || 1);
    return [low < 0 ? low - margin : low, high > 0 || low === 0 ? high + margin : high];
  }
  function plot(drive, clock, spec, isLast) {
    const canvas = el("canvas", { role: "img", class: isLast ? "player-plot last" : "player-plot" });
    const keys = spec.series.map((each, i) => {
      const value = el("span", { class: "player-number" });
      const words = spec.series.length > 1 ? `${each.name.replace(/_.*/, "")} ` : "";
      return { value, node: el("span", { class: `player-key key-${i}` }, words, value) };
    });
    const caption = el("figcaption", {}, el("b", {}, spec.title), ...keys.map((key) => key.node));
    const [low, high] = span(spec), bottom = isLast ? 22 : 6;
    canvas.setAttribute("aria-label", `${spec.title} [${spec.unit}] over time, from ${number(low, "")} to ${number(high, "")}; the numbers are in the table below`);
    let still = null, size = "";
    const place = (width, height) => ({
      x: (t) => LEFT + (t / (clock.end || 1)) * (width - LEFT - RIGHT),
      y: (value) => TOP + ((high - value) / (high - low)) * (height - TOP - bottom),
    });
    const background = (context, width, height) => {
      const { x, y } = place(width, height);
      context.font = "11px system-ui, sans-serif";
      context.textBaseline = "middle";
      context.lineWidth = 1;
      for (const value of ticks(low, high, 4)) {
        context.strokeStyle = Math.abs(value) < 1e-9 ? colour("--player-axis") : colour("--player-line");
        context.beginPath();
        context.moveTo(LEFT, Math.round(y(value)) + 0.5);
        context.lineTo(width - RIGHT, Math.round(y(value)) + 0.5);
        context.stroke();
        context.fillStyle = colour("--player-soft");
        context.textAlign = "right";
        context.fillText(String(Number(value.toPrecision(6))).replace("-", "−"), LEFT - 6, y(value));
      }
      if (isLast) {
        context.textAlign = "center";
        for (const t of ticks(0, clock.end, width > 600 ? 10 : 5)) context.fillText(`${Number(t.toFixed(3))} s`, clamp(x(t), 14, width - 16), height - 9);
      }
      context.fillStyle = context.strokeStyle = colour("--player-bad");
      context.globalAlpha = 0.55;
      for (const mark of drive.marks) context.fillRect(Math.round(x(mark.t)), TOP, 1, height - TOP - bottom);
      context.globalAlpha = 1;
      if (spec.limit != null) {
        context.strokeStyle = context.fillStyle = colour("--player-ink");
        context.setLineDash([5, 4]);
        context.beginPath();
        context.moveTo(LEFT, y(spec.limit));
        context.lineTo(width - RIGHT, y(spec.limit));
        context.stroke();
        context.setLineDash([]);
        context.textAlign = "right";
        context.fillText(spec.limitWords, width - RIGHT - 4, y(spec.limit) + (y(spec.limit) < TOP + 18 ? 9 : -8));
      }
      spec.series.forEach((each, i) => curve(context, each, i, x, y));
    };
    const curve = (context, each, i, x, y) => {
      const stamps = each.t ?? drive.t;
      context.strokeStyle = context.fillStyle = colour(`--player-curve-${i}`);
      context.lineWidth = 1.5;
      context.lineJoin = "round";
      context.beginPath();
      let isOpen = false;
      for (let k = 0; k < stamps.length; k += 1) {
        const value = each.v[k];
        if (value == null) isOpen = false;
        else if (spec.style === "dots") context.rect(x(stamps[k]) - 1, y(value) - 1, 2, 2);
        else if (!isOpen) context.moveTo(x(stamps[k]), y(value));
        else {
          if (spec.style === "step") context.lineTo(x(stamps[k]), y(each.v[k - 1]));
          context.lineTo(x(stamps[k]), y(value));
        }
        isOpen = value != null;
      }
      if (spec.style === "dots") context.fill();
      else context.stroke();
    };
    const paint = surface(canvas, (context, width, height, scale) => {
      const shape = `${width} ${height} ${scale} ${clock.theme}`;
      if (shape !== size) { // what does not move is drawn once
        size = shape;
        still = el("canvas", { width: canvas.width, height: canvas.height });
        const own = still.getContext("2d");
        own.scale(scale, scale);
        background(own, width, height);
      }
      context.drawImage(still, 0, 0, width, height);
      const { x, y } = place(width, height), at = x(clock.t);
      context.fillStyle = colour("--player-ink");
      context.fillRect(at - 0.75, TOP - 4, 1.5, height - TOP - bottom + 6);
      spec.series.forEach((each, i) => {
        const index = indexAt(each.t ?? drive.t, clock.t), value = index < 0 ? null : each.v[index];
        keys[i].value.textContent = number(value, spec.unit);
        if (value == null) return;
        context.beginPath();
        context.arc(at, y(value), 3.5, 0, 2 * Math.PI);
        context.fillStyle = colour(`--player-curve-${i}`);
        context.fill();
      });
    });
    clock.parts.push(paint);
    const scrub = (event) => clock.seek(((event.offsetX - LEFT) / Math.max(1, canvas.clientWidth - LEFT - RIGHT)) * clock.end);
    canvas.addEventListener("pointerdown", (event) => {
      canvas.setPointerCapture(event.pointerId);
      scrub(event);
    });
    canvas.addEventListener("pointermove", (event) => {
      if (event.buttons) scrub(event);
    });
    return el("figure", { class: "player-signal" }, caption, canvas);
  }

  // ---- Controls ----------------------------------------------------------------------------------------------
  function jump(drive, clock, direction) {
    const marks = drive.marks.map((mark) => mark.t);
    const next = direction > 0 ? marks.find((t) => t > clock.t + 0.02) : marks.filter((t) => t < clock.t - 0.02).pop();
    if (next !== undefined) clock.seek(next);
  }
  function controls(drive, clock) {
    const play = el("button", { type: "button", class: "player-play", title: "Play or pause (space)", onclick: () => clock.play(!clock.playing) });
    const slider = el("input", { type: "range", min: 0, max: clock.end, step: 0.01, "aria-label": "Time", oninput: () => clock.seek(Number(slider.value)) });
    const ticks = el("div", { class: "player-marks", "aria-hidden": "true" });
    for (const mark of drive.marks) {
      const tick = el("i");
      tick.style.left = `${(100 * mark.t) / (clock.end || 1)}%`;
      ticks.append(tick);
    }
    const time = el("output", { class: "player-time" });
    const rate = el("select", { "aria-label": "Speed", title: "Speed (- and +)", onchange: () => { clock.rate = Number(rate.value); } },
      ...RATES.map((each) => el("option", { value: each, selected: each === 1 }, `${each} ×`)));
    const button = (words, title, act) => el("button", { type: "button", "aria-label": title, title, disabled: !drive.marks.length, onclick: act }, words);
    clock.faster = (by) => {
      rate.selectedIndex = clamp(rate.selectedIndex + by, 0, RATES.length - 1);
      clock.rate = RATES[rate.selectedIndex];
    };
    clock.changed = () => {
      play.textContent = clock.playing ? "❚❚" : "▶\uFE0E";
      play.setAttribute("aria-label", clock.playing ? "Pause" : "Play");
    };
    clock.changed();
    clock.parts.push((t) => {
      slider.value = t;
      slider.setAttribute("aria-valuetext", `${seconds(t)} of ${seconds(clock.end)}`);
      time.textContent = `${t.toFixed(2)} / ${seconds(clock.end)}`;
    });
    return el("div", { class: "player-controls", role: "group", "aria-label": "Playback" },
      play, button("‹", "The infraction before (p)", () => jump(drive, clock, -1)), button("›", "The next infraction (n)", () => jump(drive, clock, 1)),
      el("div", { class: "player-slider" }, ticks, slider), time, rate);
  }
  function keyboard(drive, clock) {
    const acts = {
      " ": () => clock.play(!clock.playing),
      ArrowLeft: (event) => clock.seek(clock.t - (event.shiftKey ? 1 : 0.05)),
      ArrowRight: (event) => clock.seek(clock.t + (event.shiftKey ? 1 : 0.05)),
      Home: () => clock.seek(0),
      End: () => clock.seek(clock.end),
      n: () => jump(drive, clock, 1),
      p: () => jump(drive, clock, -1),
      f: () => clock.follow(),
      "+": () => clock.faster(1),
      "-": () => clock.faster(-1),
    };
    document.addEventListener("keydown", (event) => {
      const isOwn = event.target.closest("input, select, textarea, button, a, summary, [contenteditable]");
      const act = acts[event.key];
      if (!act || event.ctrlKey || event.metaKey || event.altKey) return;
      if (isOwn && (event.key === " " || event.key.startsWith("Arrow") || event.key === "Home" || event.key === "End" || isOwn.matches("input:not([type=range], [type=checkbox]), textarea, select"))) return;
      event.preventDefault();
      act(event);
    });
  }

  // ---- Words -------------------------------------------------------------------------------------------------
  function marks(drive) {
    if (!drive.marks.length) return el("section", {}, el("h2", {}, "Infractions"), el("p", { class: "player-none" }, "None."));
    const rows = drive.marks.map((mark) => el("li", {}, el("a", { href: `#t=${mark.t.toFixed(2)}` }, seconds(mark.t)), el("span", {}, ` ${mark.kind}`), mark.words ? el("span", { class: "player-soft" }, ` ${mark.words}`) : ""));
    return el("section", {}, el("h2", {}, `Infractions (${rows.length})`), el("ol", { class: "player-list" }, ...rows));
  }
  function facts(drive) {
    const rows = drive.facts.flatMap(([name, value]) => [el("dt", {}, name), el("dd", {}, value)]);
    return el("section", {}, el("h2", {}, "Where this comes from"), el("dl", {}, ...rows));
  }
  function folded(title, head, rows) {
    const details = el("details", {}, el("summary", {}, title));
    details.addEventListener("toggle", () => {
      if (details.children.length > 1) return;
      const cells = (row) => el("tr", {}, ...row.map((cell, i) => el(i ? "td" : "th", i ? {} : { scope: "row" }, cell)));
      const table = el("table", {}, el("thead", {}, el("tr", {}, ...head.map((name) => el("th", { scope: "col" }, name)))), el("tbody", {}, ...rows().map(cells)));
      details.append(el("div", { class: "player-scroll", tabindex: 0, role: "region", "aria-label": title }, table));
    });
    return details;
  }
  function numbers(drive, clock) {
    const series = drive.plots.flatMap((spec) => spec.series.map((each) => ({ each, spec })));
    const step = Math.max(1, Math.ceil(clock.end / 600));
    const rows = () => Array.from({ length: Math.floor(clock.end / step) + 1 }, (_, k) => [seconds(k * step), ...series.map(({ each, spec }) => {
      const index = indexAt(each.t ?? drive.t, k * step);
      return number(index < 0 ? null : each.v[index], spec.unit);
    })]);
    return folded("The numbers, second by second", ["time", ...series.map(({ each, spec }) => (spec.series.length > 1 ? each.name.replaceAll("_", " ") : spec.title))], rows);
  }

  // ---- All of it ---------------------------------------------------------------------------------------------
  function linked() {
    const found = /[#&]t=(\d+(?:\.\d+)?)/.exec(location.hash);
    return found ? Number(found[1]) : null;
  }
  function start(drive) {
    const clock = makeClock(drive.t[drive.t.length - 1]);
    root.replaceChildren();
    if (!("bare" in root.dataset)) root.append(el("h1", {}, `${drive.title} `, el("span", { class: drive.failed ? "player-badge bad" : "player-badge" }, drive.status)));
    root.append(
      el("div", { class: "player-views" }, camera(drive, clock), above(drive, clock)),
      controls(drive, clock),
      el("div", { class: "player-plots" }, ...drive.plots.map((spec, i) => plot(drive, clock, spec, i === drive.plots.length - 1))),
      numbers(drive, clock),
      el("div", { class: "player-words" }, marks(drive), ...("bare" in root.dataset ? [] : [facts(drive)])),
    );
    if (!("bare" in root.dataset) && drive.metrics.length) root.append(folded("All metrics of this episode", ["metric", "value"], () => drive.metrics));
    root.append(el("p", { class: "player-help" }, "Space plays, arrows step (shift: 1 s), n and p jump between infractions, f follows the robot, + and − change the speed. The address always names the instant: copy it to share what you see."));
    keyboard(drive, clock);
    window.addEventListener("hashchange", () => {
      const t = linked();
      if (t !== null) clock.seek(t, { link: false });
    });
    const dark = matchMedia("(prefers-color-scheme: dark)");
    clock.theme = dark.matches;
    dark.addEventListener("change", () => {
      clock.theme = dark.matches;
      clock.show();
    });
    clock.seek(linked() ?? 0, { link: false });
    root.dataset.ready = "yes";
  }
  const inline = document.getElementById("player-data");
  if (inline) start(JSON.parse(inline.textContent));
  else {
    fetch(root.dataset.recording, { headers: { Accept: "application/json" } })
      .then((answer) => (answer.ok ? answer.json() : Promise.reject(new Error(`the hub answered with status ${answer.status}`))))
      .then(start)
      .catch((error) => root.replaceChildren(el("p", { class: "player-none", role: "status" }, `The recording cannot be shown: ${error.message}.`)));
  }
})();
