/* The order form: a choice is loaded, every change is reckoned by the server. No sum is made here. */
(() => {
  const d = document, $ = (s, r = d) => r.querySelector(s), $$ = (s, r = d) => [...r.querySelectorAll(s)];
  const on = (t, f) => d.addEventListener(t, f), form = () => $("#order");
  const OURS = ["csrf_token", "key", "service", "category", "platform", "q", "filter"], LONGEST = 1500;

  /* Another platform, category or service: the form comes anew, with what was typed in it. */
  const load = choice => {
    const asked = new URLSearchParams(choice), all = $("[name=platform]:checked", form())?.value === "all";
    if (all && !asked.has("platform")) asked.set("platform", "all");
    for (const [name, value] of new FormData(form())) if (!OURS.includes(name) && typeof value === "string" && value.length < LONGEST) asked.append(name, value);
    const back = choice.platform ? `[name=platform][value="${choice.platform}"]` : choice.category ? "#cat-btn" : "#svc-btn";
    // What placed a list under its button must not be carried over into the new page: the policy forbids style attributes.
    $$("#ordering [style]").forEach(n => n.removeAttribute("style"));
    htmx.ajax("GET", "/orders/new?" + asked, { target: "#ordering", swap: "outerHTML" }).then(() => {
      history.replaceState(history.state, "", "/orders/new?service=" + form().elements.service.value);
      $(back)?.focus({ preventScroll: true });
      ready();
    });
  };
  on("panel:pick", e => load({ [e.detail.kind]: e.detail.value }));

  /* Chips above the list of services. */
  on("click", e => {
    const chip = e.target.closest("[data-order-by]");
    if (chip) { $("#svc-filter").value = chip.dataset.orderBy; htmx.trigger($("#svc-q"), "filtered"); }
  });

  /* Fields that matter only with a certain choice. */
  const ready = () => $$("[data-only-if]").forEach(n => { const [name, value] = n.dataset.onlyIf.split("="); n.hidden = form().elements[name]?.value !== value; });

  /* The charge follows the form. */
  let timer;
  const changed = e => {
    const at = e.target;
    if (!form()?.contains(at) || at.closest(".pick-pop")) return;
    if (at.name === "platform") { if (e.type === "change") load({ platform: at.value }); return; }
    if (at.id === "quantity") $$("[data-qty]").forEach(c => c.setAttribute("aria-pressed", c.dataset.qty === at.value));
    ready();
    clearTimeout(timer); timer = setTimeout(() => form() && htmx.trigger(form(), "reckon"), 250);
  };
  on("input", changed); on("change", changed);

  const tell = () => {
    const sum = $("#summary"), told = $("#charge");
    if (!sum || !told) return;
    $$("[data-charge]").forEach(n => { n.textContent = told.textContent; });
    const faults = Object.fromEntries($$("[data-fault]", sum).map(n => [n.dataset.fault, n.textContent]));
    $$("#order .error[id$=-error]").forEach(n => {
      const name = n.id.slice(0, -6), fault = faults[name] || "", control = d.getElementById(name);
      n.hidden = !fault; $("span", n).textContent = fault;
      fault ? control?.setAttribute("aria-invalid", "true") : control?.removeAttribute("aria-invalid");
    });
  };
  on("htmx:after:swap", tell);
  if (form()) ready();
})();
