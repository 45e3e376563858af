// What is pointed at is said below the drawing, and the synapses that learn from it light up.
// One arrow of a drawing is reached by Tab, the others by the arrow keys.
(() => {
  for (const figure of document.querySelectorAll(".ow-figure:not([data-ready])")) {
    figure.dataset.ready = "";
    const drawing = figure.querySelector(".ow-svg"), says = figure.querySelector(".ow-says");
    const arrows = [...drawing.querySelectorAll(".ow-arrow")];
    const text = arrow => arrow.querySelector("title").textContent;
    const show = arrow => {
      const lights = arrow ? (arrow.dataset.lights || "").split(" ").filter(Boolean) : [];
      drawing.classList.toggle("ow-dim", lights.length > 0);
      for (const other of arrows) other.classList.toggle("ow-lit", lights.includes(other.dataset.arrow));
      if (!arrow) { says.textContent = says.dataset.hint; return; }
      const learners = lights.map(i => text(arrows[i]).split(". ")[0]);
      says.textContent = text(arrow) + (lights.length ? `\nLearns from it: ${learners.join(", ")}.` : "");
    };
    const step = (from, by) => {
      const seen = arrows.filter(arrow => arrow.getClientRects().length);
      const to = seen[(seen.indexOf(from) + by + seen.length) % seen.length];
      from.setAttribute("tabindex", "-1");
      to.setAttribute("tabindex", "0");
      to.focus();
    };
    arrows.forEach((arrow, i) => {
      arrow.setAttribute("tabindex", i ? "-1" : "0");
      arrow.addEventListener("mouseenter", () => show(arrow));
      arrow.addEventListener("mouseleave", () => show(null));
      arrow.addEventListener("focus", () => show(arrow));
      arrow.addEventListener("blur", () => show(null));
      arrow.addEventListener("keydown", event => {
        const by = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
        if (by) { event.preventDefault(); step(arrow, by); }
        if (event.key === "Escape") arrow.blur();
      });
    });
    for (const link of drawing.querySelectorAll("a")) link.addEventListener("click", event => {
      const inside = document.getElementById(link.getAttribute("href").slice(1));
      if (!inside) return;
      event.preventDefault();
      inside.open = true;
      inside.scrollIntoView({ block: "nearest" });
      inside.querySelector("summary").focus({ preventScroll: true });
    });
  }
})();
