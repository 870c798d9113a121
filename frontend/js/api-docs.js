/* Trying the API from its documentation: the key goes from this page to the panel's own API and nowhere else. */
(() => {
  const form = document.getElementById("try"), out = document.getElementById("try-answer"), action = form?.elements.action;
  if (!form) return;
  const fit = () => form.querySelectorAll("[data-actions]").forEach(field => {
    const fits = field.dataset.actions.split(" ").includes(action.value);
    field.hidden = !fits;
    field.querySelectorAll("input, textarea").forEach(input => { input.disabled = !fits; });
  });
  action.addEventListener("change", fit);
  fit();
  form.addEventListener("submit", async event => {
    event.preventDefault();
    const sent = new URLSearchParams([...new FormData(form)].filter(([, value]) => value));
    const button = form.querySelector("button");
    button.setAttribute("aria-busy", "true");
    const started = performance.now();
    try {
      const answer = await fetch(form.getAttribute("action"), { method: "POST", body: sent });
      const text = await answer.text();
      let shown = text;
      try { shown = JSON.stringify(JSON.parse(text), null, 2); } catch { /* not JSON: shown as it came */ }
      out.querySelector("[data-status]").textContent = `HTTP ${answer.status} · ${Math.round(performance.now() - started)} ms`;
      out.querySelector("code").textContent = shown.slice(0, 20000);
    } catch {
      out.querySelector("[data-status]").textContent = out.dataset.failed;
      out.querySelector("code").textContent = "";
    }
    out.hidden = false;
    button.removeAttribute("aria-busy");
  });
})();
