/* Rows that are dragged to their place; the buttons beside them do the same without this. */
(() => {
  const body = document.querySelector("[data-order-rows]"); if (!body) return;
  let held = null, from = 0;
  const rows = () => [...body.rows];
  body.querySelectorAll(".grip").forEach(grip => { grip.closest("tr").draggable = true; });
  body.addEventListener("dragstart", e => { held = e.target.closest("tr"); from = rows().indexOf(held); e.dataTransfer.effectAllowed = "move"; held.setAttribute("aria-busy", "true"); });
  body.addEventListener("dragover", e => {
    const over = e.target.closest("tr"); if (!held || !over) return; e.preventDefault();
    if (over !== held) over[rows().indexOf(over) > rows().indexOf(held) ? "after" : "before"](held);
  });
  body.addEventListener("dragend", async () => {
    const place = rows().indexOf(held), row = held; held = null; row.removeAttribute("aria-busy");
    if (place === from) return;
    const sent = await fetch(row.dataset.move, { method: "POST", headers: { "X-CSRF-Token": document.querySelector('meta[name="csrf-token"]').content }, body: new URLSearchParams({ place }) }).catch(() => null);
    if (!sent?.ok) location.reload();
  });
})();
