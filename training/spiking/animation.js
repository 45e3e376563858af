// Plays a recorded run: a raster of the last half second, both weight matrices, and the angle.
(() => {
  const run = JSON.parse(document.getElementById("data").textContent);
  const end = run.stretches.at(-1)[2], shown = 500, label = 76;
  const at = id => document.getElementById(id);
  const scrub = at("scrub"), play = at("play"), speed = at("speed");
  const calm = matchMedia("(prefers-reduced-motion: reduce)").matches;
  let now = 0, playing = false, last = 0;

  for (const cells of run.populations) {
    let ms = 0;
    cells.times = cells.steps.map(step => ms += step);
  }
  const total = run.populations.reduce((sum, cells) => sum + cells.size + 1, 0);
  scrub.max = end;
  scrub.step = 10;

  const colours = () => {
    const style = getComputedStyle(document.documentElement);
    return name => style.getPropertyValue("--" + name).trim();
  };
  // A canvas of as many pixels as the screen has there, drawn in the lengths of the page.
  const sheet = (id, height) => {
    const canvas = at(id), width = canvas.clientWidth, scale = devicePixelRatio || 1;
    if (canvas.width !== Math.round(width * scale) || canvas.height !== Math.round(height * scale)) {
      canvas.width = Math.round(width * scale);
      canvas.height = Math.round(height * scale);
      canvas.style.height = height + "px";
    }
    const pen = canvas.getContext("2d");
    pen.setTransform(scale, 0, 0, scale, 0, 0);
    pen.clearRect(0, 0, width, height);
    pen.font = "12px system-ui, sans-serif";
    pen.textBaseline = "middle";
    return [pen, width, height];
  };
  const before = (times, ms) => {  // how many are earlier
    let low = 0, high = times.length;
    while (low < high) { const mid = (low + high) >> 1; if (times[mid] < ms) low = mid + 1; else high = mid; }
    return low;
  };
  const pretty = name => name.startsWith("delta_") ? "δ " + name.slice(6) : name;

  function raster(colour) {
    const [pen, width, height] = sheet("raster", 460), start = now - shown;
    const x = ms => label + (width - label) * (ms - start) / shown, row = height / total;
    for (const [state, from, to] of run.stretches) {
      const left = Math.max(x(from), label), right = Math.min(x(to), width);
      if (right > left) { pen.fillStyle = colour(state); pen.fillRect(left, 0, right - left, height); }
    }
    let top = 0;
    for (const cells of run.populations) {
      pen.fillStyle = colour("ink");
      pen.textAlign = "right";
      pen.fillText(pretty(cells.name), label - 8, (top + cells.size / 2) * row);
      for (let i = before(cells.times, start); i < cells.times.length && cells.times[i] <= now; i++) {
        const unit = cells.units[i];
        pen.fillStyle = colour(unit < 0 ? "negative" : "positive");
        pen.fillRect(x(cells.times[i]), (top + (unit < 0 ? -1 - unit : unit)) * row + 1, 1.6, Math.max(row - 2, 1));
      }
      top += cells.size + 1;
      pen.fillStyle = colour("line");
      pen.fillRect(label, (top - 0.5) * row, width - label, 1);
    }
  }

  function matrix(id, weights, colour) {
    const [rows, columns] = run.shape, [pen, width, height] = sheet(id, 200);
    const w = width / columns, h = height / rows;
    for (let j = 0; j < rows; j++) for (let i = 0; i < columns; i++) {
      const weight = weights[j * columns + i] / 100;
      pen.fillStyle = colour(weight < 0 ? "negative" : "positive");
      pen.globalAlpha = Math.min(Math.abs(weight) ** 0.8, 1);
      pen.fillRect(i * w, j * h, Math.ceil(w), Math.ceil(h));
    }
    pen.globalAlpha = 1;
  }

  function course(colour, reached) {
    const [pen, width, height] = sheet("course", 150), left = 40, foot = 20;
    const x = ms => left + (width - left - 8) * ms / end, y = angle => 8 + (height - foot - 8) * (1 - angle / 100);
    for (const [state, from, to] of run.stretches) {
      pen.fillStyle = colour(state);
      pen.fillRect(x(from), 8, x(to) - x(from), height - foot - 8);
    }
    pen.fillStyle = colour("ink");
    pen.textAlign = "right";
    for (const angle of [0, 45, 90]) pen.fillText(angle + "°", left - 6, y(angle));
    pen.textAlign = "center";
    const step = [1, 2, 5, 10, 20, 50].find(s => end / 1000 / s <= 8) || 100;
    for (let s = 0; s <= end / 1000; s += step) pen.fillText(s + " s", Math.min(Math.max(x(1000 * s), left + 8), width - 16), height - 8);
    pen.strokeStyle = colour("line");
    pen.setLineDash([4, 3]);
    pen.beginPath(); pen.moveTo(left, y(90)); pen.lineTo(width - 8, y(90)); pen.stroke();
    pen.setLineDash([]);
    pen.strokeStyle = colour("mark");
    pen.lineWidth = 2;
    pen.beginPath();
    run.angles.slice(0, reached + 1).forEach((angle, i) => pen[i ? "lineTo" : "moveTo"](x(run.times[i]), y(angle)));
    pen.lineTo(x(now), y(run.angles[reached]));
    pen.stroke();
    pen.lineWidth = 1;
    pen.fillStyle = colour("mark");
    pen.beginPath(); pen.arc(x(now), y(run.angles[reached]), 4, 0, 7); pen.fill();
  }

  function draw() {
    const colour = colours(), reached = Math.max(before(run.times, now + 1) - 1, 0);
    const [state] = run.stretches.find(([, , to]) => now < to) || run.stretches.at(-1);
    const says = at("state");
    says.className = "state " + state;
    says.textContent = state === "asleep" ? "asleep: noise, no digits" : "awake: digits, errors";
    at("time").textContent = (now / 1000).toFixed(2) + " s of " + (end / 1000).toFixed(1) + " s";
    at("angle").textContent = run.angles[reached].toFixed(0) + "°";
    scrub.value = now;
    scrub.setAttribute("aria-valuetext", `${(now / 1000).toFixed(1)} seconds, ${state}, ${run.angles[reached].toFixed(0)} degrees`);
    raster(colour);
    matrix("w", run.w[reached], colour);
    matrix("b", run.b[reached], colour);
    course(colour, reached);
  }

  const go = ms => { now = Math.min(Math.max(ms, 0), end); draw(); };
  const turn = on => {
    playing = on && now < end;
    play.textContent = playing ? "Stop" : now < end ? "Play" : "Again";
    play.setAttribute("aria-pressed", String(playing));
    if (playing) { last = performance.now(); requestAnimationFrame(frame); }
  };
  function frame(time) {
    if (!playing) return;
    // Who asked for less motion gets pictures that stand still, one a second.
    if (!calm || time - last >= 1000) {
      go(now + Math.max(time - last, 0) * Number(speed.value));
      last = time;
    }
    if (now >= end) turn(false); else requestAnimationFrame(frame);
  }
  play.addEventListener("click", () => { if (now >= end) go(0); turn(!playing); });
  scrub.addEventListener("input", () => { turn(false); go(Number(scrub.value)); });
  document.addEventListener("keydown", event => {
    if (event.target.closest("select") || event.ctrlKey || event.metaKey || event.altKey) return;
    const step = { ArrowRight: 100, ArrowUp: 100, ArrowLeft: -100, ArrowDown: -100 }[event.key];
    const jump = { Home: 0, End: end }[event.key];
    if (event.key === " ") { if (event.target !== play) { event.preventDefault(); play.click(); } }
    else if (step) { event.preventDefault(); turn(false); go(now + step); }
    else if (jump !== undefined) { event.preventDefault(); turn(false); go(jump); }
  });
  addEventListener("resize", draw);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", draw);
  draw();
  turn(false);
})();
