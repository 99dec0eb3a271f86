import axe from "axe-core";
import { flushSync, mount, unmount } from "svelte";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import Connect from "./Connect.svelte";
import type { Form } from "./lib/bindings/Form";
import type { Submission } from "./lib/bindings/Submission";

const empty: Form = {
  sites: [
    { id: "caen", label: "Caen (14, 50, 61)" },
    { id: "rouen", label: "Rouen (27, 76)" },
  ],
  site: "caen",
  identifier: "",
  identifier_hint: "Identifiant académique (celui de la messagerie)",
  passcode_hint: "Votre code PIN + les 6 chiffres de la clé OTP",
  pin_remembered: false,
  may_remember_pin: true,
  pin_min: 4,
  pin_max: 16,
  max_chars: 256,
  submissions: 0,
  errors: [],
  message: null,
  busy: false,
  can_connect: true,
  by_hand: null,
  buttons: [],
};

const remembered: Form = {
  ...empty,
  identifier: "mdupont",
  pin_remembered: true,
  buttons: [{ label: "Oublier mes identifiants", action: { do: "forget-credentials" } }],
};

const busy: Form = {
  ...empty,
  submissions: 1,
  can_connect: false,
  busy: true,
  message: { tone: "info", title: "Le serveur VPN vérifie votre code…", text: "Cela prend quelques secondes.", buttons: [] },
  buttons: [{ label: "Annuler", action: { do: "cancel-connect" } }],
};

const refused: Form = {
  ...empty,
  submissions: 1,
  message: { tone: "error", title: "Code refusé", text: "Attendez 6 nouveaux chiffres.", buttons: [] },
};

const faulty: Form = {
  ...empty,
  submissions: 1,
  errors: [
    { field: "pin", text: "Tapez votre code PIN." },
    { field: "digits", text: "Tapez les 6 chiffres qu’affiche votre clé OTP." },
  ],
};

const amigo = { label: "Ouvrir AMIGO", action: { do: "open", with: "amigo" } } as const;
const stopped: Form = {
  ...empty,
  submissions: 1,
  can_connect: false,
  message: { tone: "error", title: "Trop de codes refusés", text: "N’essayez plus.", buttons: [amigo] },
};

const byHand: Form = {
  ...empty,
  can_connect: false,
  by_hand: "Copier le code et ouvrir Cisco Secure Client",
  may_remember_pin: false,
  message: { tone: "info", title: "La connexion se fait dans Cisco Secure Client", text: "Collez-les.", buttons: [] },
};

/** Before it is known how to connect. */
const looking: Form = { ...empty, can_connect: false };

let show: (form: Form) => void;
let page: Record<string, unknown>;
const ipc = {
  watch: vi.fn((handler: (form: Form) => void) => {
    show = handler;
    return Promise.resolve();
  }),
  rendered: vi.fn(() => Promise.resolve()),
  request: vi.fn(() => Promise.resolve()),
  submit: vi.fn<(submission: Submission) => Promise<void>>(() => Promise.resolve()),
  close: vi.fn(() => Promise.resolve()),
};

beforeEach(() => {
  vi.clearAllMocks();
  document.documentElement.lang = "fr";
  page = mount(Connect, { target: document.body, props: { ipc } });
  flushSync();
});

afterEach(async () => {
  await unmount(page);
  document.body.replaceChildren();
});

async function update(form: Form): Promise<void> {
  show(form);
  await settled();
}

/** Waits until the page shows what follows. */
async function settled(): Promise<void> {
  flushSync();
  await new Promise((done) => setTimeout(done));
}

function element<E extends Element = HTMLElement>(selector: string): E {
  const found = document.querySelector<E>(selector);
  if (!found) throw new Error(`nothing matches ${selector}`);
  return found;
}

function button(name: string): HTMLButtonElement {
  const named = [...document.querySelectorAll("button")].filter((candidate) => candidate.textContent.trim() === name);
  expect(named, name).toHaveLength(1);
  return named[0] as HTMLButtonElement;
}

function fill(id: string, value: string): void {
  const field = element<HTMLInputElement>(`#${id}`);
  field.value = value;
  field.dispatchEvent(new Event("input", { bubbles: true }));
  flushSync();
}

/** Dispatches what a browser dispatches before it edits a field; returns whether it would then edit it itself. */
function write(id: string, inputType: string, data: string | null = null): boolean {
  const write = new InputEvent("beforeinput", { inputType, data, bubbles: true, cancelable: true });
  const byBrowser = element(`#${id}`).dispatchEvent(write);
  flushSync();
  return byBrowser;
}

function value(id: string): string {
  return element<HTMLInputElement>(`#${id}`).value;
}

async function send(by?: HTMLElement): Promise<void> {
  const event = new SubmitEvent("submit", { bubbles: true, cancelable: true, submitter: by ?? null });
  element("form").dispatchEvent(event);
  expect(event.defaultPrevented).toBe(true);
  await settled();
}

function focused(): string {
  return document.activeElement?.id || document.activeElement?.textContent?.trim() || "nothing";
}

const states: [string, Form][] = [
  ["empty", empty],
  ["remembered", remembered],
  ["busy", busy],
  ["refused", refused],
  ["faulty", faulty],
  ["stopped", stopped],
  ["by hand", byHand],
  ["looking", looking],
];

test.each(states)("is accessible: %s", async (_, form) => {
  await update(form);
  // Colours, and what scrolls, need a browser that draws: tests/desktop looks at those.
  const found = await axe.run(document.body, {
    runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "best-practice"],
    rules: { "color-contrast": { enabled: false } },
  });
  expect(found.violations.map((violation) => [violation.id, violation.nodes.map((node) => node.html)])).toEqual([]);
});

test("the window appears once the first form is rendered", async () => {
  expect(document.querySelector("main")).toBeNull();
  await update(empty);
  expect(element("h1").textContent).toBe("Se connecter au VPN");
  await vi.waitFor(() => expect(ipc.rendered).toHaveBeenCalledOnce());
});

test("the focus is where something is to be typed", async () => {
  await update(empty);
  expect(focused()).toBe("identifier");
  // What the keyring holds comes a moment later.
  await update({ ...empty, identifier: "mdupont" });
  expect(element<HTMLInputElement>("#identifier").value).toBe("mdupont");
  expect(focused()).toBe("pin");
  await update(remembered);
  expect(focused()).toBe("digits");
});

test("a late answer of the keyring does not disturb what the user has begun", async () => {
  await update(looking);
  fill("identifier", "jmartin");
  element<HTMLSelectElement>("#site").value = "rouen";
  element("#site").dispatchEvent(new Event("change", { bubbles: true }));
  element("#identifier").focus();
  await update(remembered);
  expect(element<HTMLInputElement>("#identifier").value).toBe("jmartin");
  expect(element<HTMLSelectElement>("#site").value).toBe("rouen");
  expect(focused()).toBe("identifier");
});

test("sends what was typed, once, and then keeps nothing of PIN and digits", async () => {
  await update(empty);
  fill("identifier", "mdupont");
  write("pin", "insertText", "4321");
  write("digits", "insertFromPaste", "123 456\n");
  element("[aria-label='Afficher le code PIN']").click();
  await settled();
  const typed = ["pin", "digits"].map((id) => element<HTMLInputElement>(`#${id}`));
  expect(typed.map((field) => field.type)).toEqual(["text", "text"]);
  await send();
  expect(ipc.submit).toHaveBeenCalledExactlyOnceWith({
    way: "connect",
    site: "caen",
    identifier: "mdupont",
    pin: { is: "typed", text: "4321" },
    digits: "123456",
    remember_pin: false,
  });
  // Until it is known that the form is accepted.
  expect(typed.map((field) => field.value)).toEqual(["4321", "123456"]);
  await send();
  expect(ipc.submit, "sent once").toHaveBeenCalledOnce();
  await update(busy);
  for (const field of typed) {
    expect(field.value).toBe("");
    expect(field.isConnected, "a new field has no history").toBe(false);
    expect(element<HTMLInputElement>(`#${field.id}`).value).toBe("");
  }
  expect(element<HTMLInputElement>("#pin").type).toBe("password");
  expect(element<HTMLInputElement>("#identifier").value).toBe("mdupont");
});

test("takes the PIN of the keyring, or another", async () => {
  await update(remembered);
  expect(document.querySelector("#pin")).toBeNull();
  fill("digits", "123456");
  await send();
  expect(ipc.submit.mock.lastCall?.[0]).toMatchObject({ pin: { is: "remembered" }, remember_pin: true });
  await update({ ...remembered, submissions: 1 });

  button("Taper un autre code PIN").click();
  await settled();
  expect(focused()).toBe("pin");
  fill("pin", "9876");
  fill("digits", "654321");
  element("#remember").click();
  await send();
  expect(ipc.submit.mock.lastCall?.[0]).toMatchObject({ pin: { is: "typed", text: "9876" }, remember_pin: false });
  await update({ ...remembered, submissions: 2 });

  button("Prendre le code PIN enregistré").click();
  await settled();
  expect(focused()).toBe("digits");
  // "Oublier mes identifiants"
  await update({ ...empty, submissions: 2 });
  expect(element<HTMLInputElement>("#identifier").value).toBe("");
  expect(element<HTMLInputElement>("#remember").checked).toBe(false);
  expect(document.querySelector("#pin")).not.toBeNull();
});

test("the PIN is not stored if the administrator forbids it", async () => {
  await update({ ...empty, may_remember_pin: false });
  expect(document.querySelector("#remember")).toBeNull();
  fill("pin", "4321");
  fill("digits", "123456");
  await send();
  expect(ipc.submit.mock.lastCall?.[0].remember_pin).toBe(false);
});

test("errors are beside their field, and the first one has the focus", async () => {
  await update(empty);
  fill("identifier", "mdupont");
  await send();
  await update(faulty);
  const pin = element("#pin");
  expect(focused()).toBe("pin");
  expect(pin.getAttribute("aria-invalid")).toBe("true");
  expect(pin.getAttribute("aria-describedby")).toBe("pin-error");
  expect(element("#pin-error").textContent).toBe("Tapez votre code PIN.");
  expect(element("#digits").getAttribute("aria-describedby")).toBe("digits-error");
  expect(element("#identifier").getAttribute("aria-invalid")).toBe("false");
  expect(element("#identifier").getAttribute("aria-describedby")).toBe("identifier-hint");
  // The same errors once more.
  element("#digits").focus();
  await send();
  await update({ ...faulty, submissions: 2 });
  expect(focused()).toBe("pin");
});

test("what is valid stays when nothing was sent, and an error goes as soon as it is corrected", async () => {
  await update(empty);
  fill("identifier", "mdupont");
  write("pin", "insertText", "4321");
  write("digits", "insertText", "12345");
  await send();
  const wrongDigits = { ...faulty, errors: faulty.errors.slice(1) };
  await update(wrongDigits);
  expect([value("pin"), value("digits")]).toEqual(["4321", "12345"]);
  expect(focused()).toBe("digits");
  expect(element<HTMLInputElement>("#digits").selectionEnd, "typing replaces what is wrong").toBe(5);
  write("digits", "insertText", "1");
  expect(document.querySelector("#digits-error")).toBeNull();
  expect(element("#digits").getAttribute("aria-invalid")).toBe("false");
  // Wrong in the same way: the error is back once the answer is there, and not before.
  await send();
  expect(document.querySelector("#digits-error")).toBeNull();
  await update({ ...wrongDigits, submissions: 2 });
  expect(element("#digits-error").textContent).toContain("6 chiffres");
  expect([value("pin"), value("digits")]).toEqual(["4321", "1"]);
  write("digits", "insertText", "123456");
  await send();
  expect(ipc.submit.mock.lastCall?.[0]).toMatchObject({ pin: { text: "4321" }, digits: "123456" });
  await update({ ...busy, submissions: 3 });
  expect([value("pin"), value("digits")]).toEqual(["", ""]);
});

test("Tab leads from the PIN to the digits; the button in the PIN's field comes after both", async () => {
  await update(empty);
  const order = [...document.querySelectorAll("select, input, button")].map((control) => control.id || control.textContent.trim());
  expect(order).toEqual(["site", "identifier", "pin", "digits", "Afficher", "remember", "Se connecter"]);
  button("Afficher").click();
  await settled();
  expect(element<HTMLInputElement>("#pin").type).toBe("text");
  expect(button("Masquer").getAttribute("aria-label")).toBe("Masquer le code PIN");
});

test("beside the news that the VPN is connected there is no form", async () => {
  await update(empty);
  element("#identifier").focus();
  await update({ ...empty, message: { tone: "success", title: "VPN connecté", text: "", buttons: [] } });
  expect(document.querySelector("form, input")).toBeNull();
  expect(focused()).toBe("VPN connecté");
  button("Fermer").click();
  expect(ipc.close).toHaveBeenCalledOnce();
});

test("while it connects nothing can be sent, and Escape cancels", async () => {
  await update(empty);
  fill("identifier", "mdupont");
  await send();
  await update(busy);
  expect(focused()).toBe("Le serveur VPN vérifie votre code…");
  expect(element("[role=status]").textContent).toContain("Le serveur VPN vérifie votre code…");
  expect(element<HTMLFieldSetElement>("fieldset").disabled).toBe(true);
  await send();
  expect(ipc.submit).toHaveBeenCalledOnce();
  expect(document.body.style.pointerEvents, "a double click on what was sent must not cancel it").toBe("none");
  window.dispatchEvent(new KeyboardEvent("keydown", { key: "Escape" }));
  expect(ipc.request).toHaveBeenLastCalledWith({ do: "cancel-connect" });
  await vi.waitFor(() => expect(document.body.style.pointerEvents).toBe(""), { timeout: 5000 });
  vi.spyOn(performance, "now").mockReturnValue(performance.now() + 1000);
  button("Annuler").click();
  vi.restoreAllMocks();
  expect(ipc.request).toHaveBeenCalledTimes(2);
  expect(ipc.close).not.toHaveBeenCalled();
  await update(refused);
  expect(element("[role=alert]").textContent).toContain("Code refusé");
  expect(element("[role=status]").textContent.trim()).toBe("");
  expect(focused()).toBe("pin");
  window.dispatchEvent(new KeyboardEvent("keydown", { key: "Escape" }));
  expect(ipc.close).toHaveBeenCalledOnce();
});

test("the question whether to forget takes the focus, Escape keeps everything, and the focus comes back", async () => {
  const asking: Form = {
    ...remembered,
    buttons: [
      { label: "Non, les garder", action: { do: "cancel" } },
      { label: "Oui, les oublier", action: { do: "confirm-forget" } },
    ],
  };
  await update(remembered);
  fill("digits", "123");
  button("Oublier mes identifiants").focus();
  await update(asking);
  expect(focused()).toBe("Non, les garder");
  expect(document.body.style.pointerEvents, "a double click must not answer").toBe("none");
  window.dispatchEvent(new KeyboardEvent("keydown", { key: "Escape" }));
  expect(ipc.request).toHaveBeenLastCalledWith({ do: "cancel" });
  expect(ipc.close).not.toHaveBeenCalled();
  await update(remembered);
  expect(focused()).toBe("Oublier mes identifiants");
  expect(value("digits")).toBe("123");
  await update(asking);
  button("Oui, les oublier").focus();
  await update(empty);
  expect(focused()).toBe("identifier");
  await vi.waitFor(() => expect(document.body.style.pointerEvents).toBe(""), { timeout: 5000 });
});

test("the focus that goes with a message or with its button comes to where one continues", async () => {
  const check = { label: "Vérifier maintenant", action: { do: "refresh" } } as const;
  const offline: Form = { ...empty, message: { tone: "warning", title: "Hors ligne", text: "Aucun réseau.", buttons: [check] } };
  const connected: Form = {
    ...empty,
    can_connect: false,
    message: { tone: "success", title: "VPN connecté", text: "Vous pouvez fermer cette fenêtre.", buttons: [] },
  };
  await update(offline);
  fill("identifier", "mdupont");
  button("Vérifier maintenant").focus();
  await update(empty);
  expect(focused()).toBe("pin");
  await update(connected);
  button("Fermer").focus();
  await update(empty);
  expect(document.activeElement).not.toBe(document.body);
  // What nobody had is not given to anybody.
  (document.activeElement as HTMLElement).blur();
  await update(offline);
  expect(document.activeElement).toBe(document.body);
});

test("a message that the window opens with is read with the first field, a later one by its live region", async () => {
  const opened: Form = { ...empty, message: { tone: "warning", title: "Code déjà utilisé", text: "Attendez.", buttons: [] } };
  await update(opened);
  const described = (): string | null => element("form > fieldset").getAttribute("aria-describedby");
  expect(element(`#${described()}`).textContent).toContain("Code déjà utilisé");
  await update(refused);
  expect(described(), "announced already").toBeNull();
  expect(element("main").hasAttribute("aria-busy"), "it would silence the live regions").toBe(false);
  const [region] = document.querySelectorAll("[role=alert]");
  await update(stopped);
  expect(element("[role=alert]")).toBe(region);
  const title = document.activeElement;
  expect(title?.textContent).toBe("Trop de codes refusés");
  expect(element(`#${title?.getAttribute("aria-describedby")}`).textContent).toBe("N’essayez plus.");
});

test("every field that has to be filled says so", async () => {
  await update(empty);
  expect([...document.querySelectorAll("[aria-required=true]")].map(({ id }) => id)).toEqual(["site", "identifier", "pin", "digits"]);
});

test("after too many wrong codes there are no fields, only a way to the helpdesk", async () => {
  await update(empty);
  await send();
  await update(busy);
  await update(stopped);
  expect(document.querySelector("form, input")).toBeNull();
  expect(focused()).toBe("Trop de codes refusés");
  button("Ouvrir AMIGO").click();
  expect(ipc.request).toHaveBeenLastCalledWith(amigo.action);
  button("Fermer").click();
  expect(ipc.close).toHaveBeenCalledOnce();
});

test("if Vigie cannot connect, it copies the code for the client's window", async () => {
  // Known only when the window is already there.
  await update(looking);
  expect(focused()).toBe("identifier");
  await update(byHand);
  expect(document.querySelector("#site, #identifier")).toBeNull();
  expect(focused()).toBe("pin");
  expect([...document.querySelectorAll("button")].map((each) => each.textContent)).not.toContain("Se connecter");
  await send(button("Copier le code et ouvrir Cisco Secure Client"));
  expect(ipc.submit.mock.lastCall?.[0].way).toBe("clipboard");
});

test("PIN and digits leave nothing in the undo history", async () => {
  await update(empty);
  const pin = element<HTMLInputElement>("#pin");
  const after = (inputType: string, data?: string): string => {
    expect(write("pin", inputType, data), inputType).toBe(false);
    return `${pin.value.slice(0, pin.selectionStart ?? 0)}|${pin.value.slice(pin.selectionEnd ?? 0)}`;
  };
  for (const key of "4 21") after("insertText", key);
  expect(after("deleteContentBackward")).toBe("4 2|");
  pin.setSelectionRange(1, 2);
  expect(after("insertText", "3")).toBe("43|2");
  expect(after("deleteContentForward")).toBe("43|");
  expect(after("deleteContentForward")).toBe("43|");
  expect(after("historyUndo")).toBe("43|");
  pin.setSelectionRange(1, 1);
  expect(after("deleteWordBackward")).toBe("|3");
  expect(after("deleteContentBackward")).toBe("|3");
  expect(after("deleteSoftLineForward")).toBe("|");
  after("insertFromPaste", "x".repeat(300));
  expect(pin.value).toHaveLength(256);
  after("insertText", "y");
  expect(pin.value).toHaveLength(256);
  // Enter sends the form.
  expect(write("pin", "insertLineBreak")).toBe(true);
});

test("cannot be sent before it is known how to connect", async () => {
  await update(looking);
  expect(button("Se connecter").disabled).toBe(true);
  await send();
  expect(ipc.submit).not.toHaveBeenCalled();
});
