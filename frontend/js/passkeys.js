/* Passkeys: the panel's question goes to the device, and its answer back into the form, which is then sent as any other.
   A form with data-passkey ("new" or "known") holds a hidden field "credential"; data-options is where the question is. */
(() => {
  const forms = document.querySelectorAll("form[data-passkey]");
  if (!window.PublicKeyCredential || !forms.length) return;
  const raw = text => Uint8Array.from(atob(text.replace(/-/g, "+").replace(/_/g, "/")), c => c.charCodeAt(0));
  const written = bytes => btoa(String.fromCharCode(...new Uint8Array(bytes)))
    .replace(/\+/g, "-").replace(/\//g, "_").replace(/=+$/, "");
  const keys = list => (list || []).map(key => ({ ...key, id: raw(key.id) }));

  const ask = async form => {
    const body = new FormData(form);
    body.delete("credential");
    const answer = await fetch(form.dataset.options, { method: "POST", body: new URLSearchParams(body) });
    const said = await answer.json();
    if (!answer.ok) throw new Error(said.message);
    return { ...said, challenge: raw(said.challenge) };
  };

  const made = async form => {
    const asked = await ask(form);
    if (form.dataset.passkey === "new") {
      const publicKey = { ...asked, user: { ...asked.user, id: raw(asked.user.id) }, excludeCredentials: keys(asked.excludeCredentials) };
      const key = await navigator.credentials.create({ publicKey });
      const { clientDataJSON, attestationObject } = key.response;
      return [key, { clientDataJSON: written(clientDataJSON), attestationObject: written(attestationObject),
        transports: key.response.getTransports?.() || [] }];
    }
    const key = await navigator.credentials.get({ publicKey: { ...asked, allowCredentials: keys(asked.allowCredentials) } });
    const { clientDataJSON, authenticatorData, signature, userHandle } = key.response;
    return [key, { clientDataJSON: written(clientDataJSON), authenticatorData: written(authenticatorData),
      signature: written(signature), userHandle: userHandle ? written(userHandle) : null }];
  };

  forms.forEach(form => {
    const wrong = form.querySelector("[data-wrong]"), button = form.querySelector("button");
    form.hidden = false;
    form.closest("[data-ways]")?.removeAttribute("hidden");
    form.addEventListener("submit", async event => {
      event.preventDefault();
      wrong.hidden = true;
      button.setAttribute("aria-busy", "true");
      try {
        const [key, response] = await made(form);
        form.elements.credential.value = JSON.stringify(
          { id: key.id, rawId: written(key.rawId), type: key.type, response, clientExtensionResults: {} });
        form.querySelectorAll("[type=password]").forEach(field => { field.value = ""; });
        form.submit();
      } catch (error) {
        // What the device or its owner refused has names of the browser's; people get a sentence of ours.
        wrong.textContent = error instanceof DOMException || error instanceof TypeError ? wrong.dataset.wrong : error.message;
        wrong.hidden = false;
        button.removeAttribute("aria-busy");
      }
    });
  });
})();
