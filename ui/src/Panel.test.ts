import axe from "axe-core";
import { flushSync, mount, unmount } from "svelte";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import PanelPage from "./Panel.svelte";
import type { AttentionItem } from "./lib/bindings/AttentionItem";
import type { Card } from "./lib/bindings/Card";
import type { SearchResults } from "./lib/bindings/SearchResults";
import type { Diagnosis } from "./lib/bindings/Diagnosis";
import type { Guide } from "./lib/bindings/Guide";
import type { HelpForm } from "./lib/bindings/HelpForm";
import type { Panel } from "./lib/bindings/Panel";
import type { Part } from "./lib/bindings/Part";
import type { Row } from "./lib/bindings/Row";
import type { SearchResult } from "./lib/bindings/SearchResult";
import type { Today } from "./lib/bindings/Today";
import type { Setting } from "./lib/bindings/Setting";
import type { Welcome } from "./lib/bindings/Welcome";

const connected: Panel = {
  title: "VPN connecté depuis 14 h 02",
  subtitle: "Les lecteurs réseau sont accessibles.",
  status: "connected",
  banner: null,
  question: null,
  buttons: [
    { label: "Télémaintenance", action: { do: "open", with: "isl-light" } },
    { label: "Copier les infos pour l’assistance", action: { do: "copy-support-info" } },
  ],
  groups: [
    {
      title: "Cet ordinateur",
      rows: [
        { id: "computer", label: "Nom de l’ordinateur", value: "PC-14RC-DSI-0421", copy: null, mark: "normal", fact: null, details: [], until: null },
        { id: "disk", label: "Disque système", value: "12 Go libres", copy: null, mark: "warning", fact: "disk", details: [], until: null },
        { id: "battery", label: "Batterie", value: "illisible", copy: null, mark: "unavailable", fact: null, details: [], until: null },
      ],
    },
    { title: "Vide", rows: [] },
  ],
};

const asking: Panel = {
  ...connected,
  title: "VPN déconnecté depuis 16 h 40",
  status: "disconnected",
  question: {
    number: 0,
    title: "Éteindre l’ordinateur maintenant ?",
    text: "Enregistrez d’abord votre travail.",
    answers: [
      { label: "Annuler", action: { do: "cancel" } },
      { label: "Éteindre", action: { do: "confirm-shut-down" } },
    ],
  },
};

const guide: Guide = {
  session: {
    advice: "L’opérateur vous communique un numéro de session.",
    open: { label: "Ouvrir sans numéro", action: { do: "open", with: "isl-light" } },
  },
  telephone: "Composez le code, puis le numéro.",
  codes: [
    { id: "renvoi", label: "Renvoi immédiat", code: "*21", takes_number: true, note: null },
    { id: "sans-renvoi", label: "Désactiver tous les renvois", code: "*20", takes_number: false, note: "Une note." },
  ],
  max_digits: 20,
};

const diagnosis: Diagnosis = {
  title: "Pourquoi ça ne marche pas\u{a0}?",
  offered: true,
  summary: "Le premier point à voir : Tunnel VPN.",
  links: [
    { stage: "computer", label: "Cet ordinateur", health: "good", verdict: "OK", sentence: "Il est relié à un réseau.", buttons: [] },
    {
      stage: "tunnel",
      label: "Tunnel VPN",
      health: "broken",
      verdict: "à voir",
      sentence: "Connectez-vous.",
      buttons: [{ label: "Se connecter au VPN", action: { do: "connect" } }],
    },
    { stage: "drives", label: "Lecteurs réseau", health: "unknown", verdict: "à confirmer", sentence: "Ne peut pas être vérifié tant qu’un point précédent reste à voir.", buttons: [] },
  ],
};

const welcome: Welcome = {
  progress: "2 sur 3",
  title: "Quel est votre site ?",
  text: ["Le serveur VPN et les liens en dépendent."],
  icons: [],
  answers: [
    { label: "Caen (Calvados, Manche, Orne)", action: { do: "choose", with: { what: "site", to: "caen" } } },
    { label: "Rouen (Seine-Maritime, Eure)", action: { do: "choose", with: { what: "site", to: "rouen" } } },
  ],
  awaits_answer: true,
  noted: null,
  buttons: [
    { label: "Choisir plus tard", action: { do: "show-welcome", with: "icon" } },
    { label: "Précédent", action: { do: "show-welcome", with: "vigie" } },
  ],
};

const today: Today = {
  summary: "1 coupure, 4 minutes",
  from: "7 h",
  stretches: [
    { status: "connected", start: 200, length: 300, title: "VPN connecté, de 8 h à 9 h 30" },
    { status: "stalled", start: 500, length: 13, title: "Le VPN ne répond plus, de 9 h 30 à 9 h 34" },
    // Shorter than what the picture shows apart.
    { status: "connecting", start: 513, length: 0, title: "Connexion en cours, à 9 h 34" },
    { status: "connected", start: 513, length: 200, title: "VPN connecté, de 9 h 34 à 10 h" },
  ],
  description: "VPN connecté, de 8 h à 9 h 30 ; Le VPN ne répond plus, de 9 h 30 à 9 h 34 ; 1 coupure, 4 minutes",
};

const help: HelpForm = {
  topics: [
    { topic: "vpn", label: "VPN ou réseau", heading: "Demande d’aide\u00a0: VPN ou réseau" },
    { topic: "other", label: "Autre chose", heading: "Demande d’aide\u00a0: Autre chose" },
  ],
  max_chars: 200,
  preview: "Vigie, le 24/11/2026 14:02\nVPN connecté",
  contact: "AMIGO est ouverte jusqu’à 17 h.",
  open: { label: "Ouvrir AMIGO", action: { do: "open", with: "amigo" } },
};

const attention: AttentionItem[] = [
  {
    row: "shutdown",
    label: "Arrêt automatique",
    text: "aujourd’hui à 21 h 30",
    remedy: {
      button: { label: "Ce soir, ne plus me le rappeler", action: { do: "not-tonight" } },
      note: "L’ordinateur s’éteint quand même",
    },
  },
  { row: "disk", label: "Disque système", text: "12 Go libres", remedy: null },
];

const telephone: Card = {
  id: "telephone",
  title: "Téléphone",
  summary: "Renvoyer vos appels",
  tile: true,
  text: ["Vous avez la possibilité de faire suivre vos appels."],
  steps: [],
  buttons: [],
  see: [{ id: "support", title: "Prise en main", summary: "L’assistance vous dépanne" }],
  rows: [],
  tables: [],
  telephone: true,
  session: false,
  help: false,
};

const support: Card = {
  ...telephone,
  id: "support",
  title: "Prise en main",
  summary: "L’assistance vous dépanne",
  tile: false,
  text: [],
  steps: ["Entrez le numéro.", "Permettez le contrôle."],
  see: [],
  buttons: [
    { button: { label: "AMIGO", action: { do: "open", with: "amigo" } }, note: "Le point d’entrée unique" },
    { button: { label: "Chercher pourquoi", action: { do: "diagnose" } }, note: "" },
  ],
  rows: ["disk"],
  tables: [{ caption: "Horaires", head: ["Jour", "Heures"], lines: [["Lundi", "8 h à 17 h"]], copies: 1 }],
  telephone: false,
  session: true,
  help: true,
};

/** What the program finds: what begins with the question. */
const entries: SearchResult[] = [
  { id: "tchap", label: "Tchap", detail: "Messagerie instantanée", target: { to: "do", is: { do: "open", with: "tchap" } } },
  { id: "card-support", label: "Tout sur la prise en main", detail: "L’assistance vous dépanne", target: { to: "card", is: "support" } },
  { id: "setting-reminders", label: "Rappels", detail: "", target: { to: "setting", is: "reminders" } },
  { id: "row-disk", label: "Disque système", detail: "12 Go libres", target: { to: "row", is: "disk" } },
  { id: "diagnosis", label: "Pourquoi ça ne marche pas ?", detail: "", target: { to: "do", is: { do: "diagnose" } } },
];

function answer(question: string): SearchResults {
  const results = entries.filter(({ label }) => label.toLowerCase().startsWith(question));
  return results.length > 0
    ? { exact: true, summary: `${results.length} résultats`, results }
    : { exact: false, summary: "Rien de tel.", results: entries.slice(0, 1) };
}

const site: Setting = {
  id: "site",
  title: "Mon site",
  hint: "Le serveur VPN en dépend.",
  kind: "one",
  locked: false,
  options: [
    { button: { label: "Caen", action: { do: "choose", with: { what: "site", to: "caen" } } }, chosen: true },
    { button: { label: "Rouen", action: { do: "choose", with: { what: "site", to: "rouen" } } }, chosen: false },
  ],
};

const reminders: Setting = {
  id: "reminders",
  title: "Rappels",
  hint: "",
  kind: "each",
  locked: false,
  options: [
    { button: { label: "30 minutes avant", action: { do: "choose", with: { what: "lead", to: [30, false] } } }, chosen: true },
    { button: { label: "5 minutes avant", action: { do: "choose", with: { what: "lead", to: [5, true] } } }, chosen: false },
  ],
};

const writeText = vi.fn<(text: string) => Promise<void>>();
let show: (part: Part) => void;
let page: Record<string, unknown>;
const ipc = {
  watch: vi.fn((handler: (part: Part) => void) => {
    show = handler;
    return Promise.resolve();
  }),
  find: vi.fn((question: string) => Promise.resolve(answer(question))),
  countdown: vi.fn((until: number) => {
    const left = until * 1000 - Date.now();
    return Promise.resolve(left > 0 ? { text: `dans ${left / 60_000} minutes`, changes_ms: 60_000 } : null);
  }),
  rendered: vi.fn(() => Promise.resolve()),
  request: vi.fn(() => Promise.resolve()),
  close: vi.fn(() => Promise.resolve()),
};

beforeEach(() => {
  vi.clearAllMocks();
  window.scrollTo = vi.fn();
  writeText.mockResolvedValue();
  Object.defineProperty(navigator, "clipboard", { value: { writeText }, configurable: true });
  page = mount(PanelPage, { target: document.body, props: { ipc } });
  flushSync();
});

afterEach(async () => {
  await unmount(page);
  document.body.replaceChildren();
});

function update(panel: Panel): void {
  show({ part: "panel", is: panel });
  flushSync();
}

/** Shows the whole page, as the program does. */
function open(): void {
  show({ part: "diagnosis", is: diagnosis });
  show({ part: "today", is: today });
  show({ part: "help", is: help });
  show({ part: "attention", is: attention });
  show({ part: "facts-unfolded", is: false });
  show({ part: "guide", is: guide });
  show({ part: "cards", is: [telephone, support] });
  show({ part: "settings", is: [site, reminders] });
  show({ part: "answer", is: null });
  update(connected);
}

function type(selector: string, text: string): void {
  const field = element<HTMLInputElement>(selector);
  field.focus();
  field.value = text;
  field.dispatchEvent(new Event("input", { bubbles: true }));
  flushSync();
}

/** Presses a key; returns whether the browser would handle it. */
function press(key: string): boolean {
  const event = new KeyboardEvent("keydown", { key, bubbles: true, cancelable: true });
  const left = (document.activeElement ?? window).dispatchEvent(event);
  flushSync();
  return left;
}

function submit(selector: string): void {
  const form = element<HTMLInputElement>(selector).form;
  form?.dispatchEvent(new SubmitEvent("submit", { bubbles: true, cancelable: true }));
  flushSync();
}

function focused(): string {
  return (document.activeElement?.textContent ?? "").replace(/\s+/g, " ").trim();
}

async function violations(): Promise<string[]> {
  // Colours need a browser that paints: tests/desktop/panel.rs looks at them.
  const results = await axe.run(document.body, { rules: { "color-contrast": { enabled: false } } });
  return results.violations.flatMap(({ id, nodes }) => nodes.map(({ html }) => `${id}: ${html}`));
}

function element<E extends Element = HTMLElement>(selector: string): E {
  const found = document.querySelector<E>(selector);
  if (!found) throw new Error(`nothing matches ${selector}`);
  return found;
}

function button(name: string): HTMLButtonElement {
  const named = [...document.querySelectorAll("button")].filter(
    (candidate) => (candidate.getAttribute("aria-label") ?? candidate.textContent.trim()) === name,
  );
  expect(named, name).toHaveLength(1);
  return named[0] as HTMLButtonElement;
}

/** Returns the text as a screen reader reads it. */
function read(selector: string): string {
  return element(selector).textContent.replace(/\s+/g, " ").trim();
}

test("the window appears once the first model is rendered", async () => {
  expect(document.querySelector("main")).toBeNull();
  expect(ipc.rendered).not.toHaveBeenCalled();
  update(connected);
  expect(read("h1")).toBe("VPN connecté depuis 14 h 02");
  await vi.waitFor(() => expect(ipc.rendered).toHaveBeenCalledOnce());
  update(asking);
  await Promise.resolve();
  expect(ipc.rendered).toHaveBeenCalledOnce();
});

test("rows have a name, and a text if they are not normal", () => {
  update(connected);
  expect(read("[data-id=computer] dt")).toBe("Nom de l’ordinateur");
  expect(read("[data-id=computer] dd")).toBe("PC-14RC-DSI-0421");
  expect(read("[data-id=disk] dd")).toBe("Attention : 12 Go libres");
  expect(read("[data-id=battery] dd")).toBe("Indisponible : illisible");
  expect(document.querySelectorAll("h2")).toHaveLength(1);
});

test("a new status is announced by the live region that was there before", () => {
  update(connected);
  const region = element("header [role=status]");
  update(asking);
  expect(element("header [role=status]")).toBe(region);
  expect(read("header [role=status]")).toContain("VPN déconnecté depuis 16 h 40");
  expect(element("header").classList).toContain("status--disconnected");
});

test("a button requests its own action", () => {
  update(asking);
  button("Télémaintenance").click();
  expect(ipc.request).toHaveBeenLastCalledWith({ do: "open", with: "isl-light" });
  button("Annuler").click();
  expect(ipc.request).toHaveBeenLastCalledWith({ do: "cancel" });
  update(connected);
  expect(document.querySelector("#prompt")).toBeNull();
});

test("a double click does not answer the question that it opens", () => {
  vi.useFakeTimers();
  try {
    update(asking);
    // jsdom does not act on `inert`; tests/webview clicks for real.
    expect(button("Éteindre").inert).toBe(true);
    expect(button("Annuler").inert).toBe(false);
    expect(focused()).toBe("Annuler");
    vi.advanceTimersByTime(999);
    flushSync();
    update({ ...asking, title: "VPN connecté" });
    expect(button("Éteindre").inert, "a change elsewhere starts no new second").toBe(true);
    vi.advanceTimersByTime(1);
    flushSync();
    expect(button("Éteindre").inert).toBe(false);
    button("Éteindre").click();
    expect(ipc.request).toHaveBeenLastCalledWith({ do: "confirm-shut-down" });
  } finally {
    vi.useRealTimers();
  }
});

test("a reminder that appears while the user types does not take the focus", () => {
  open();
  element("#search").focus();
  update({ ...connected, question: { ...asking.question!, answers: [{ label: "Éteindre maintenant", action: { do: "shut-down" } }] } });
  expect(document.activeElement?.id).toBe("search");
});

const reminder: Panel = {
  ...connected,
  question: {
    number: 30,
    title: "Arrêt automatique à 21 h 30",
    text: "Enregistrez votre travail.",
    answers: [
      { label: "Éteindre maintenant", action: { do: "shut-down" } },
      { label: "Me le rappeler plus tard", action: { do: "remind-later" } },
    ],
  },
};

test("the next reminder is read again, though it says the same", () => {
  open();
  update(reminder);
  const first = element("#prompt");
  update({ ...reminder, title: "VPN déconnecté" });
  expect(element("#prompt"), "the same reminder").toBe(first);
  update({ ...reminder, question: { ...reminder.question!, number: 15 } });
  expect(element("#prompt")).not.toBe(first);
  expect(read("#prompt")).toBe("Arrêt automatique à 21 h 30");
});

test("a panel that opens with a question has the focus on it, so that it is read", async () => {
  show({ part: "welcome", is: welcome });
  show({ part: "cards", is: [telephone] });
  update(reminder);
  await vi.waitFor(() => expect(ipc.rendered).toHaveBeenCalledOnce());
  expect(document.activeElement?.id).toBe("prompt");
  expect(read(`#${document.activeElement?.getAttribute("aria-describedby")}`)).toBe("Enregistrez votre travail.");
});

test("a panel that opens with a confirmation has the focus on what changes nothing", async () => {
  show({ part: "welcome", is: welcome });
  update(asking);
  await vi.waitFor(() => expect(ipc.rendered).toHaveBeenCalledOnce());
  expect(focused()).toBe("Annuler");
});

test("the next reminder is announced although it has the same title", () => {
  open();
  update(reminder);
  const region = element("[aria-live=assertive]");
  const before = element("#prompt");
  update({ ...reminder, subtitle: "Autre chose" });
  expect(element("#prompt"), "nothing new is asked").toBe(before);
  update({ ...reminder, question: { ...reminder.question!, text: "C’est le dernier rappel." } });
  expect(element("#prompt")).not.toBe(before);
  expect(element("#prompt").closest("[aria-live]")).toBe(region);
});

test("a question that goes takes no click with it", async () => {
  await vi.waitFor(() => expect(document.body.style.pointerEvents).toBe(""));
  update(reminder);
  expect(document.body.style.pointerEvents).toBe("");
  update(connected);
  expect(document.body.style.pointerEvents).toBe("none");
});

test("a button that goes with what it did gives the focus to the next one, and what moves there takes no click", async () => {
  const [quiet, off] = [
    { button: { label: "Ce soir, ne plus me le rappeler", action: { do: "not-tonight" } }, note: "" },
    { button: { label: "Éteindre maintenant", action: { do: "shut-down" } }, note: "" },
  ] as const;
  const card = (...buttons: Card["buttons"]): void => {
    show({ part: "cards", is: [{ ...telephone, buttons }] });
    flushSync();
  };
  const taken = (): boolean => document.body.style.pointerEvents !== "none";
  open();
  card(quiet, off);
  button("Téléphone").click();
  flushSync();
  await vi.waitFor(() => expect(taken()).toBe(true));
  button(quiet.button.label).focus();
  card(off);
  await vi.waitFor(() => expect(focused()).toBe("Éteindre maintenant"));
  expect(taken()).toBe(false);
  card();
  await vi.waitFor(() => expect(focused(), "the heading, without a list").toBe("Téléphone"));
  await vi.waitFor(() => expect(taken()).toBe(true));
  // Another has the focus.
  card(quiet, off);
  element("#telephone").focus();
  card(off);
  await Promise.resolve();
  expect([document.activeElement?.id, taken()]).toEqual(["telephone", true]);
});

test("the same answer again is announced again", () => {
  open();
  const said = (number: number): Element | null => {
    show({ part: "answer", is: { number, title: "Copié", text: "", buttons: [], transient: true } });
    flushSync();
    return element(".answer").firstElementChild;
  };
  const [first, second] = [said(1), said(2)];
  expect(second?.textContent.trim()).toBe("Copié");
  expect(second).not.toBe(first);
});

test("a row keeps its state when another comes before it", () => {
  const row = (id: string): Row => ({ id, label: id, value: id, copy: null, mark: "normal", fact: null, details: ["a"], until: null });
  update({ ...connected, groups: [{ title: "Imprimantes", rows: [row("b")] }] });
  element<HTMLDetailsElement>("[data-id=b] details").open = true;
  update({ ...connected, groups: [{ title: "Imprimantes", rows: [row("a"), row("b")] }] });
  expect(element<HTMLDetailsElement>("[data-id=a] details").open).toBe(false);
  expect(element<HTMLDetailsElement>("[data-id=b] details").open).toBe(true);
});

test("copies a row, and announces it", async () => {
  update(connected);
  button("Copier\u{a0}: Nom de l’ordinateur").click();
  expect(writeText).toHaveBeenCalledExactlyOnceWith("PC-14RC-DSI-0421");
  await vi.waitFor(() => expect(read("p[role=status]")).toBe("Nom de l’ordinateur : copié"));
});

test("an announcement lasts its full time after another one", async () => {
  vi.useFakeTimers();
  try {
    update(connected);
    button("Copier\u{a0}: Nom de l’ordinateur").click();
    await vi.advanceTimersByTimeAsync(1500);
    button("Copier\u{a0}: Batterie").click();
    await vi.advanceTimersByTimeAsync(1500);
    expect(read("p[role=status]")).toBe("Batterie : copié");
    await vi.advanceTimersByTimeAsync(500);
    expect(read("p[role=status]")).toBe("");
  } finally {
    vi.useRealTimers();
  }
});

test("announces that a row could not be copied", async () => {
  writeText.mockRejectedValue(new Error("refused"));
  update(connected);
  button("Copier\u{a0}: Batterie").click();
  await vi.waitFor(() => expect(read("p[role=status]")).toBe("Batterie : la copie a échoué"));
});

test("closes on Escape, and on no other key", () => {
  open();
  window.dispatchEvent(new KeyboardEvent("keydown", { key: "Enter" }));
  expect(ipc.close).not.toHaveBeenCalled();
  window.dispatchEvent(new KeyboardEvent("keydown", { key: "Escape" }));
  expect(ipc.close).toHaveBeenCalledOnce();
});

test("shows two rows with the same id", () => {
  const row: Row = { id: "printer-A", label: "Imprimante", value: "A", copy: null, mark: "normal", fact: null, details: [], until: null };
  update({ ...connected, groups: [{ title: "Imprimantes", rows: [row, row] }] });
  expect(document.querySelectorAll("[data-id=printer-A]")).toHaveLength(2);
});

/** Asks the search, and waits for its answer. */
async function ask(question: string): Promise<void> {
  type("#search", question);
  await vi.waitFor(() => {
    flushSync();
    const shown = [...document.querySelectorAll("[data-result]")].map((one) => one.getAttribute("data-result"));
    expect(shown).toEqual(answer(question).results.map(({ id }) => id));
  });
}

/** Opens a card by its tile, or by what the search finds. */
async function openCard(question: string, title: string): Promise<void> {
  open();
  await ask(question);
  element("[data-result]").click();
  flushSync();
  expect(focused()).toBe(title);
}

test("search results are opened by keyboard alone", async () => {
  open();
  await ask("t");
  expect(press("ArrowDown")).toBe(false);
  expect(focused()).toBe("Tchap Messagerie instantanée");
  press("ArrowDown");
  press("ArrowDown");
  expect(focused()).toBe("Tout sur la prise en main L’assistance vous dépanne");
  press("ArrowUp");
  press("ArrowUp");
  expect(document.activeElement?.id).toBe("search");
  submit("#search");
  await vi.waitFor(() => expect(ipc.request).toHaveBeenLastCalledWith({ do: "open", with: "tchap" }));
});

test("Enter opens nothing that only comes near", async () => {
  open();
  await ask("xyz");
  submit("#search");
  await vi.waitFor(() => expect(ipc.find).toHaveBeenCalledTimes(2));
  expect(ipc.request).not.toHaveBeenCalled();
  element("[data-result]").click();
  expect(ipc.request).toHaveBeenLastCalledWith({ do: "open", with: "tchap" });
});

test("an answer to an older question is dropped", async () => {
  open();
  let late: (found: SearchResults) => void = () => {};
  ipc.find.mockImplementationOnce(() => new Promise((resolve) => (late = resolve)));
  type("#search", "ra");
  await ask("t");
  late(answer("ra"));
  await Promise.resolve();
  flushSync();
  expect(document.querySelectorAll("[data-result]")).toHaveLength(2);
});

test("a result leads to a card and back, to a setting, and to a row", async () => {
  await openCard("tout", "Prise en main");
  expect(read("[data-card=support] ol")).toContain("Entrez le numéro.");
  expect(read("[data-id=disk] .value")).toBe("12 Go libres");
  expect(read("table caption")).toBe("Horaires");
  button("Copier\u{a0}: 8 h à 17 h").click();
  expect(writeText).toHaveBeenCalledExactlyOnceWith("8 h à 17 h");
  button("AMIGO").click();
  expect(ipc.request).toHaveBeenLastCalledWith({ do: "open", with: "amigo" });
  press("Escape");
  await vi.waitFor(() => expect(document.activeElement?.id).toBe("search"));
  expect(element<HTMLInputElement>("#search").value).toBe("tout");
  expect(ipc.close).not.toHaveBeenCalled();
  await ask("disque");
  Element.prototype.scrollIntoView = vi.fn();
  element("[data-result]").click();
  flushSync();
  expect(document.activeElement).toBe(button("Copier\u{a0}: Disque système"));
  expect(read(`[id="${document.activeElement?.getAttribute("aria-describedby")}"]`)).toBe("12 Go libres");
  await ask("rappels");
  element("[data-result]").click();
  flushSync();
  expect(read("h1")).toBe("Réglages");
  expect(document.activeElement?.closest("[data-setting]")?.getAttribute("data-setting")).toBe("reminders");
});

test("a tile opens its card, and gets the focus back", async () => {
  open();
  expect(read("nav")).toBe("Téléphone");
  button("Téléphone").click();
  flushSync();
  expect(focused()).toBe("Téléphone");
  button("Retour au panneau").click();
  await vi.waitFor(() => expect(document.activeElement?.id).toBe("tile-telephone"));
});

test("a card leads to another, and leaving that one to the tile", async () => {
  open();
  show({ part: "cards", is: [telephone, support] });
  button("Téléphone").click();
  flushSync();
  button("Prise en main").click();
  flushSync();
  expect(focused()).toBe("Prise en main");
  expect(await violations()).toEqual([]);
  button("Retour au panneau").click();
  await vi.waitFor(() => expect(document.activeElement?.id).toBe("tile-telephone"));
});

test("Escape clears the search before it closes the window", async () => {
  open();
  await ask("t");
  press("ArrowDown");
  press("Escape");
  await vi.waitFor(() => expect(document.activeElement?.id).toBe("search"));
  expect(element<HTMLInputElement>("#search").value).toBe("");
  expect(read("[role=search] [role=status]")).toBe("");
  expect(ipc.close).not.toHaveBeenCalled();
  press("Escape");
  expect(ipc.close).toHaveBeenCalledOnce();
});

test("remote support joins the session with a number, and opens the program without one", async () => {
  await openCard("tout", "Prise en main");
  button("Ouvrir sans numéro");
  submit("#session");
  expect(ipc.request).toHaveBeenLastCalledWith({ do: "open", with: "isl-light" });
  type("#session", " 1234-56 78 ");
  button("Rejoindre la session");
  submit("#session");
  expect(ipc.request).toHaveBeenLastCalledWith({ do: "join", with: "12345678" });
  type("#session", "12a4");
  submit("#session");
  expect(ipc.request).toHaveBeenCalledTimes(2);
  expect(read("#session-error")).toContain("n’a que des chiffres");
  expect(element("#session").getAttribute("aria-invalid")).toBe("true");
  expect(element("#session").getAttribute("aria-describedby")).toBe("session-error");
  expect(document.activeElement?.id).toBe("session");
  type("#session", "12");
  expect(document.querySelector("#session-error")).toBeNull();
});

test("a telephone code is combined with the number, to copy or to dial", () => {
  open();
  button("Téléphone").click();
  flushSync();
  expect(read("[data-code=renvoi] .code")).toBe("*21 + n°");
  button("Copier *21\u{a0}+\u{a0}n°\u{a0}: Renvoi immédiat").click();
  expect(ipc.request).toHaveBeenLastCalledWith({ do: "copy-code", with: { code: "renvoi", number: null } });
  button("Composer *21\u{a0}+\u{a0}n°\u{a0}: Renvoi immédiat").click();
  flushSync();
  expect(ipc.request).toHaveBeenCalledTimes(1);
  expect(read("#telephone-error")).toContain("Tapez d’abord le numéro");
  expect(document.activeElement?.id).toBe("telephone");
  type("#telephone", "+33 6 12 34 56 78");
  expect(read("[data-code=renvoi] .code")).toBe("*21 06 12 34 56 78");
  // The names say what will be dialled.
  button("Composer *21\u{a0}06\u{a0}12\u{a0}34\u{a0}56\u{a0}78\u{a0}: Renvoi immédiat").click();
  expect(ipc.request).toHaveBeenLastCalledWith({ do: "dial", with: { code: "renvoi", number: "0612345678" } });
  button("Composer *20\u{a0}: Désactiver tous les renvois").click();
  expect(ipc.request).toHaveBeenLastCalledWith({ do: "dial", with: { code: "sans-renvoi", number: null } });
  type("#telephone", "poste");
  button("Copier *21\u{a0}+\u{a0}n°\u{a0}: Renvoi immédiat").click();
  flushSync();
  expect(read("#telephone-error")).toContain("n’a que des chiffres");
  expect(ipc.request).toHaveBeenCalledTimes(3);
});

test("settings show what is in force, also after a refused choice", () => {
  open();
  button("Réglages").click();
  flushSync();
  expect(read("h1")).toBe("Réglages");
  expect(focused()).toBe("Réglages");
  const select = element<HTMLSelectElement>("#site");
  expect(select.value).toBe("0");
  select.value = "1";
  select.dispatchEvent(new Event("change", { bubbles: true }));
  expect(ipc.request).toHaveBeenLastCalledWith({ do: "choose", with: { what: "site", to: "rouen" } });
  // Refused: what is in force comes back.
  show({ part: "answer", is: { number: 1, title: "Votre choix n’a pas été enregistré", text: "", buttons: [], transient: true } });
  flushSync();
  expect(select.value).toBe("0");
  expect(read(".answer")).toBe("Votre choix n’a pas été enregistré");

  const [first, second] = document.querySelectorAll<HTMLInputElement>("[data-setting=reminders] input");
  expect([first?.checked, second?.checked]).toEqual([true, false]);
  second?.click();
  expect(ipc.request).toHaveBeenLastCalledWith({ do: "choose", with: { what: "lead", to: [5, true] } });
  const taken = { ...reminders, options: reminders.options.map((option) => ({ ...option, chosen: true })) };
  show({ part: "settings", is: [site, taken] });
  flushSync();
  expect(second?.checked).toBe(true);
});

test("arrow keys in a closed list save nothing until the list is left", () => {
  open();
  button("Réglages").click();
  flushSync();
  const select = element<HTMLSelectElement>("#site");
  const choose = (value: string): void => {
    select.value = value;
    select.dispatchEvent(new Event("change", { bubbles: true }));
  };
  const rouen = { do: "choose", with: { what: "site", to: "rouen" } };
  select.focus();
  press("ArrowDown");
  choose("1");
  expect(ipc.request).not.toHaveBeenCalled();
  show({ part: "settings", is: [{ ...site, hint: "" }, reminders] });
  flushSync();
  expect(select.value, "a change elsewhere does not undo it").toBe("1");
  expect(press("Enter"), "opens no list").toBe(false);
  expect(ipc.request).toHaveBeenCalledExactlyOnceWith(rouen);
  select.blur();
  expect(ipc.request).toHaveBeenCalledOnce();
  // Back to what is in force.
  select.focus();
  press("ArrowDown");
  choose("1");
  press("ArrowUp");
  choose("0");
  select.blur();
  expect(ipc.request).toHaveBeenCalledOnce();
  const inverted = site.options.map((option, index) => ({ ...option, chosen: index === 1 }));
  show({ part: "settings", is: [{ ...site, options: inverted }, reminders] });
  flushSync();
  select.focus();
  press("ArrowUp");
  choose("0");
  select.blur();
  expect(ipc.request).toHaveBeenLastCalledWith({ do: "choose", with: { what: "site", to: "caen" } });
  // By the pointer: at once.
  select.dispatchEvent(new Event("pointerdown", { bubbles: true }));
  choose("1");
  expect(ipc.request).toHaveBeenLastCalledWith(rouen);
});

test("Escape leaves the settings for the button that opened them", async () => {
  open();
  button("Réglages").click();
  flushSync();
  press("Escape");
  await vi.waitFor(() => expect(focused()).toBe("Réglages"));
  expect(read("h1")).toBe("VPN connecté depuis 14 h 02");
  expect(ipc.close).not.toHaveBeenCalled();
  press("Escape");
  expect(ipc.close).toHaveBeenCalledOnce();
});

test("settings that the administrator has fixed are shown and cannot be changed", () => {
  open();
  show({ part: "settings", is: [{ ...site, locked: true }, { ...reminders, locked: true }] });
  button("Réglages").click();
  flushSync();
  expect(element<HTMLSelectElement>("#site").disabled).toBe(true);
  expect(element<HTMLSelectElement>("#site").value).toBe("0");
  expect(read("#site-hint")).toBe("Le serveur VPN en dépend. Fixé par votre administrateur.");
  expect(element("[data-setting=reminders] fieldset").matches(":disabled")).toBe(true);
  expect(read("#reminders-hint")).toBe("Fixé par votre administrateur.");
});

test("shows the answer to a click, but not one that is older than the page", () => {
  show({ part: "answer", is: { number: 4, title: "Avant", text: "", buttons: [], transient: true } });
  update(connected);
  expect(read(".answer")).toBe("");
  vi.useFakeTimers();
  show({ part: "answer", is: { number: 5, title: "Les infos pour l’assistance sont copiées", text: "Collez-les.", buttons: [], transient: true } });
  flushSync();
  expect(read(".answer")).toBe("Les infos pour l’assistance sont copiées Collez-les.");
  vi.advanceTimersByTime(10_000);
  flushSync();
  expect(read(".answer")).toBe("");
  // What one may need again stays, and so does what can be answered.
  show({ part: "answer", is: { number: 6, title: "Votre rapport est prêt", text: "", buttons: [], transient: false } });
  vi.advanceTimersByTime(60_000);
  flushSync();
  expect(read(".answer")).toBe("Votre rapport est prêt");
  const ask = { label: "Ouvrir AMIGO", action: { do: "open", with: "amigo" } } as const;
  show({ part: "answer", is: { number: 7, title: "« ISL Light » est introuvable", text: "", buttons: [ask], transient: false } });
  vi.advanceTimersByTime(60_000);
  flushSync();
  button("Ouvrir AMIGO").click();
  expect(ipc.request).toHaveBeenLastCalledWith(ask.action);
  flushSync();
  expect(read(".answer")).toBe("");
  vi.useRealTimers();
});

test("what of the configuration does not count is said first, with what to do about it", () => {
  const restore = { do: "restore-settings" } as const;
  update({
    ...connected,
    banner: { tone: "warning", title: "Un réglage", text: "La valeur 0 ne convient pas.", buttons: [{ label: "Rétablir", action: restore }] },
  });
  expect(document.querySelector("main")?.firstElementChild?.textContent).toContain("La valeur 0 ne convient pas.");
  button("Rétablir").click();
  expect(ipc.request).toHaveBeenCalledWith(restore);
  update(connected);
  expect(document.querySelector("main")?.firstElementChild?.tagName).toBe("HEADER");
});

test("details open on demand, and the countdown runs only while the page is visible", async () => {
  vi.useFakeTimers({ now: 0 });
  const wait = async (ms: number): Promise<void> => {
    await vi.advanceTimersByTimeAsync(ms);
    flushSync();
  };
  const wapt: Row = { id: "wapt", label: "WAPT", value: "2 mises à jour", copy: null, mark: "normal", fact: "wapt", details: ["firefox", "vlc"], until: null };
  const off: Row = { id: "shutdown", label: "Arrêt", value: "à 21 h 30", copy: null, mark: "normal", fact: "shutdown", details: [], until: 12 * 60 };
  update({ ...connected, groups: [{ title: "Tout", rows: [wapt, off] }] });
  expect(read("[data-id=wapt] summary")).toBe("Lesquelles ?");
  expect(read("[data-id=wapt] details ul")).toBe("firefoxvlc");
  await wait(0);
  expect(read("[data-id=shutdown] .countdown")).toBe("dans 12 minutes");
  expect(read("[data-id=shutdown] .value")).toBe("à 21 h 30");
  await wait(60_000);
  expect(read("[data-id=shutdown] .countdown")).toBe("dans 11 minutes");
  vi.spyOn(document, "hidden", "get").mockReturnValue(true);
  document.dispatchEvent(new Event("visibilitychange"));
  await wait(0);
  expect(vi.getTimerCount()).toBe(0);
  await wait(600_000);
  expect(ipc.countdown).toHaveBeenCalledTimes(2);
  vi.spyOn(document, "hidden", "get").mockReturnValue(false);
  document.dispatchEvent(new Event("visibilitychange"));
  await wait(0);
  expect(read("[data-id=shutdown] .countdown")).toBe("dans 1 minutes");
  await wait(60_000);
  expect(document.querySelector(".countdown")).toBeNull();
  expect(vi.getTimerCount()).toBe(0);
  vi.restoreAllMocks();
  vi.useRealTimers();
});

// axe takes its time on a busy machine.
test("panel, cards and settings are accessible", { timeout: 60_000 }, async () => {
  open();
  await ask("t");
  update({ ...asking, banner: { tone: "warning", title: "Un réglage", text: "Il ne convient pas.", buttons: [] } });
  expect(await violations()).toEqual([]);
  element<HTMLInputElement>("#search").labels?.forEach((label) => label.remove());
  element("#search").removeAttribute("placeholder");
  expect((await violations()).some((violation) => violation.startsWith("label"))).toBe(true);
  element("[data-result=card-support]").click();
  flushSync();
  type("#session", "x");
  submit("#session");
  expect((await violations()).filter((violation) => !violation.includes("id=\"search\""))).toEqual([]);
  button("Retour au panneau").click();
  await vi.waitFor(() => expect(read("h1")).toBe("VPN déconnecté depuis 16 h 40"));
  button("Téléphone").click();
  flushSync();
  expect(await violations()).toEqual([]);
  button("Retour au panneau").click();
  await vi.waitFor(() => expect(read("h1")).toBe("VPN déconnecté depuis 16 h 40"));
  show({ part: "settings", is: [{ ...site, locked: true }, reminders] });
  flushSync();
  button("Réglages").click();
  flushSync();
  expect(await violations()).toEqual([]);
});

test("a view that was just entered or left takes no click for half a second", async () => {
  const taken = (): boolean => getComputedStyle(document.body).pointerEvents !== "none";
  // The view of the test before.
  await vi.waitFor(() => expect(taken()).toBe(true));
  vi.useFakeTimers();
  try {
    open();
    const pressed = (): boolean => document.body.dispatchEvent(new MouseEvent("mousedown", { bubbles: true, cancelable: true }));
    for (const name of ["Téléphone", "Retour au panneau"]) {
      expect([taken(), pressed()]).toEqual([true, true]);
      // jsdom clicks all the same; tests/webview clicks for real.
      button(name).click();
      flushSync();
      expect([taken(), pressed()], "the focus stays").toEqual([false, false]);
      vi.advanceTimersByTime(499);
      expect(taken()).toBe(false);
      vi.advanceTimersByTime(1);
    }
    expect([taken(), pressed()]).toEqual([true, true]);
  } finally {
    vi.useRealTimers();
  }
});

test("the second click of a double click does nothing, whatever is there now", () => {
  open();
  const silence = button("Ce soir, ne plus me le rappeler\u{a0}: Arrêt automatique");
  silence.dispatchEvent(new MouseEvent("click", { bubbles: true, detail: 1 }));
  expect(ipc.request).toHaveBeenCalledExactlyOnceWith({ do: "not-tonight" });
  expect(document.body.style.pointerEvents, "its opposite appears there").toBe("none");
  const facts = element("details.facts > summary");
  for (const detail of [1, 2, 3]) facts.dispatchEvent(new MouseEvent("click", { bubbles: true, cancelable: true, detail }));
  flushSync();
  expect(ipc.request).toHaveBeenLastCalledWith({ do: "show-facts", with: true });
  expect(ipc.request).toHaveBeenCalledTimes(2);
});

test("a double click does nothing twice", () => {
  vi.useFakeTimers();
  try {
    open();
    button("Téléphone").click();
    flushSync();
    const dial = button("Composer *20\u{a0}: Désactiver tous les renvois");
    dial.click();
    dial.click();
    expect(ipc.request).toHaveBeenCalledOnce();
    button("Copier *20\u{a0}: Désactiver tous les renvois").click();
    expect(ipc.request, "another action").toHaveBeenCalledTimes(2);
    dial.click();
    expect(ipc.request).toHaveBeenCalledTimes(3);
    vi.advanceTimersByTime(1000);
    dial.click();
    expect(ipc.request, "meant once more").toHaveBeenCalledTimes(4);
  } finally {
    vi.useRealTimers();
  }
});

test("Escape cancels a question that can be cancelled, and the focus goes back to what had it", async () => {
  open();
  await vi.waitFor(() => expect(document.activeElement?.id).toBe("search"));
  button("Réglages").focus();
  update(asking);
  expect(focused()).toBe("Annuler");
  press("Escape");
  expect(ipc.request).toHaveBeenLastCalledWith({ do: "cancel" });
  expect(ipc.close).not.toHaveBeenCalled();
  update(connected);
  await vi.waitFor(() => expect(focused()).toBe("Réglages"));
  // What had it is gone: the view's heading.
  button("Réglages").click();
  flushSync();
  element("#site").focus();
  update(asking);
  show({ part: "settings", is: [reminders] });
  update(connected);
  await vi.waitFor(() => expect(focused()).toBe("Réglages"));
  expect(document.activeElement?.tagName).toBe("H1");
});

test("a status that changes behind a view is shown there, with what to do", () => {
  open();
  button("Téléphone").click();
  flushSync();
  const shown = (): string | undefined => document.querySelector(".answer [data-status]")?.textContent.replace(/\s+/g, " ").trim();
  update({ ...connected, title: "VPN connecté depuis 15 h" });
  update({ ...connected, status: "unknown", title: "Vérification du réseau…" });
  update(connected);
  expect(shown(), "the same status").toBeUndefined();
  const again = { label: "Reconnecter", action: { do: "connect" } } as const;
  update({ ...connected, status: "stalled", title: "Le VPN ne répond plus", subtitle: "Cliquez.", buttons: [again] });
  expect(element(".answer").getAttribute("role"), "it is announced").toBe("status");
  expect(shown()).toBe("Le VPN ne répond plus Cliquez. Reconnecter");
  button("Reconnecter").click();
  expect(ipc.request).toHaveBeenLastCalledWith(again.action);
  flushSync();
  expect(shown(), "the user does something about it").toBeUndefined();
  update({ ...connected, status: "offline", title: "Hors ligne" });
  expect(shown()).toContain("Hors ligne");
  press("Escape");
  flushSync();
  expect(shown(), "the panel itself shows it").toBeUndefined();
});

test("what was typed stays while the panel shows something else", async () => {
  await openCard("tout", "Prise en main");
  type("#help-sentence", "Rien ne marche");
  type("#session", "12345678");
  element<HTMLInputElement>("input[type=radio][value=other]").click();
  press("Escape");
  await vi.waitFor(() => expect(document.activeElement?.id).toBe("search"));
  element("[data-result]").click();
  flushSync();
  expect(element<HTMLInputElement>("#help-sentence").value).toBe("Rien ne marche");
  expect(element<HTMLInputElement>("#session").value).toBe("12345678");
  expect(element<HTMLInputElement>("input[type=radio]:checked").value).toBe("other");
});

test("the status is read with the search field when the panel opens, and not again", async () => {
  open();
  await vi.waitFor(() => expect(document.activeElement?.id).toBe("search"));
  const field = element("#search");
  expect(read(`#${field.getAttribute("aria-describedby")}`)).toContain("VPN connecté depuis 14 h 02");
  button("Réglages").focus();
  field.focus();
  flushSync();
  expect(field.getAttribute("aria-describedby")).toBeNull();
});

test("a row with a name of its own is copied by that name alone", async () => {
  const value = "Copieur_DSI (par défaut)";
  const row: Row = { id: "printer", label: "Imprimante", value, copy: "Copieur_DSI", mark: "normal", fact: null, details: [], until: null };
  update({ ...connected, groups: [{ title: "Imprimantes", rows: [row] }] });
  expect(read("[data-id=printer] .value")).toBe(value);
  button("Copier\u{a0}: Imprimante Copieur_DSI").click();
  expect(writeText).toHaveBeenCalledExactlyOnceWith("Copieur_DSI");
  await vi.waitFor(() => expect(read("p[role=status]")).toBe("Imprimante Copieur_DSI : copié"));
});

test("the chain to the drives asks the sensors, and names the first fault", async () => {
  open();
  button("Pourquoi ça ne marche pas\u{a0}?").click();
  flushSync();
  expect(ipc.request).toHaveBeenLastCalledWith({ do: "diagnose" });
  expect(focused()).toBe("Pourquoi ça ne marche pas ?");
  expect(read("[aria-current=step] h2")).toBe("Tunnel VPN : à voir");
  expect(read("[data-stage=drives] h2")).toBe("Lecteurs réseau : à confirmer");
  expect(await violations()).toEqual([]);
  button("Se connecter au VPN").click();
  expect(ipc.request).toHaveBeenLastCalledWith({ do: "connect" });
  show({ part: "diagnosis", is: { ...diagnosis, offered: false } });
  flushSync();
  expect(read("h1"), "what the user reads stays").toBe("Pourquoi ça ne marche pas ?");
  button("Retour au panneau").click();
  flushSync();
  expect(document.querySelector("#diagnosis")).toBeNull();
  await vi.waitFor(() => expect(document.activeElement?.id, "what led there is gone").toBe("search"));
});

test("the search and a card lead to the chain to the drives, and leaving it to where one came from", async () => {
  open();
  show({ part: "cards", is: [telephone, { ...support, tile: true }] });
  await ask("pourquoi");
  element("[data-result=diagnosis]").click();
  flushSync();
  expect(ipc.request).toHaveBeenLastCalledWith({ do: "diagnose" });
  expect(focused()).toBe("Pourquoi ça ne marche pas ?");
  button("Retour au panneau").click();
  await vi.waitFor(() => expect(document.activeElement?.id).toBe("search"));
  button("Prise en main").click();
  flushSync();
  button("Chercher pourquoi").click();
  flushSync();
  expect(focused()).toBe("Pourquoi ça ne marche pas ?");
  button("Retour au panneau").click();
  await vi.waitFor(() => expect(document.activeElement?.id).toBe("tile-support"));
});

test("today is a picture with a text alternative", () => {
  open();
  expect(read("[data-today] p")).toBe("Aujourd’hui : 1 coupure, 4 minutes");
  expect(element("[data-today] [role=img]").getAttribute("aria-label")).toBe(today.description);
  const stretches = [...document.querySelectorAll<HTMLElement>("[data-today] [role=img] span")];
  expect(stretches.map(({ style, title }) => [style.left, style.width, title])).toEqual([
    ["20%", "30%", "VPN connecté, de 8 h à 9 h 30"],
    ["50%", "1.3%", "Le VPN ne répond plus, de 9 h 30 à 9 h 34"],
    ["51.3%", "0%", "Connexion en cours, à 9 h 34"],
    ["51.3%", "20%", "VPN connecté, de 9 h 34 à 10 h"],
  ]);
});

test("asking for help saves what the user chose and wrote, and sends nothing by itself", async () => {
  open();
  show({ part: "cards", is: [{ ...support, tile: true }] });
  flushSync();
  button("Prise en main").click();
  flushSync();
  expect(read("#help-preview")).toMatch(/^Vigie, le 24\/11\/2026 14:02/);
  expect(document.querySelector("input[type=radio]:checked"), "no subject that nobody chose").toBeNull();
  button("Enregistrer et copier le rapport").click();
  flushSync();
  expect(ipc.request).not.toHaveBeenCalled();
  expect(document.activeElement?.getAttribute("name")).toBe("help-topic");
  const topics = element("[role=radiogroup]");
  expect(topics.getAttribute("aria-invalid")).toBe("true");
  expect(read(`#${topics.getAttribute("aria-describedby")}`)).toBe("Choisissez de quoi il s’agit.");
  expect(read(`#${element("#help-sentence").getAttribute("aria-describedby")}`)).toContain("ni mot de passe ni code PIN");
  expect(await violations()).toEqual([]);
  type("#help-sentence", "Rien ne marche");
  expect(read("#help-preview")).toContain("Rien ne marche");
  element<HTMLInputElement>("input[type=radio][value=other]").click();
  flushSync();
  expect(topics.getAttribute("aria-invalid")).toBe("false");
  expect(read("#help-preview")).toContain("Demande d’aide : Autre chose");
  button("Enregistrer et copier le rapport").click();
  expect(ipc.request).toHaveBeenCalledExactlyOnceWith({
    do: "save-report",
    with: { topic: "other", sentence: "Rien ne marche" },
  });
  expect(element<HTMLInputElement>("#help-sentence").value, "what was written stays").toBe("Rien ne marche");
  button("Ouvrir AMIGO").click();
  expect(ipc.request).toHaveBeenLastCalledWith({ do: "open", with: "amigo" });
});

test("at a glance: the cursor in the search, what needs attention, and the facts folded", async () => {
  open();
  await vi.waitFor(() => expect(document.activeElement?.id).toBe("search"));
  expect(read("[data-attention=shutdown]")).toContain("Arrêt automatique : aujourd’hui à 21 h 30");
  button("Ce soir, ne plus me le rappeler\u{a0}: Arrêt automatique").click();
  expect(ipc.request).toHaveBeenLastCalledWith({ do: "not-tonight" });
  const facts = element<HTMLDetailsElement>("details.facts");
  expect(facts.open).toBe(false);
  element("details.facts > summary").click();
  flushSync();
  expect(facts.open).toBe(true);
  expect(ipc.request).toHaveBeenLastCalledWith({ do: "show-facts", with: true });
});

test("pinned, the facts are all there is, unfolded, and Escape closes nothing", () => {
  show({ part: "today", is: { ...today, summary: "" } });
  update(connected);
  press("Escape");
  expect(ipc.close).not.toHaveBeenCalled();
  expect(document.querySelector("[data-today]")).toBeNull();
  expect(document.querySelector("details.facts")).toBeNull();
  expect(read("[data-id=computer] dd")).toBe("PC-14RC-DSI-0421");
});

/** Shows a card of the first start, or none. */
function greet(card: Welcome | null): void {
  show({ part: "welcome", is: card });
  flushSync();
}

test("the cards of the first start cover the panel, each with the focus on its heading", async () => {
  show({ part: "welcome", is: { ...welcome, progress: "1 sur 3", title: "Bienvenue dans Vigie", answers: [] } });
  open();
  expect(focused()).toBe("Bienvenue dans Vigie");
  expect(document.querySelector("nav, details.facts, header")).toBeNull();
  expect(document.querySelector("[hidden] #search")).not.toBeNull();
  await vi.waitFor(() => expect(ipc.rendered).toHaveBeenCalledOnce());
  expect(focused(), "the search is not there to be used").toBe("Bienvenue dans Vigie");

  greet(welcome);
  expect(focused()).toBe("Quel est votre site ?");
  expect(read(`#${document.activeElement?.getAttribute("aria-describedby")}`)).toBe("2 sur 3");
  expect(await violations()).toEqual([]);
  button("Caen (Calvados, Manche, Orne)").focus();
  button("Caen (Calvados, Manche, Orne)").click();
  expect(ipc.request).toHaveBeenLastCalledWith({ do: "choose", with: { what: "site", to: "caen" } });
  const region = element("section [role=status]");
  greet({ ...welcome, awaits_answer: false, noted: "C’est noté : Caen." });
  expect(element("section [role=status]"), "the answer is announced").toBe(region);
  expect(region.textContent.trim()).toBe("C’est noté : Caen.");
  expect(focused(), "an answer moves nothing").toBe("Caen (Calvados, Manche, Orne)");
  expect(await violations()).toEqual([]);
  button("Choisir plus tard").click();
  expect(ipc.request).toHaveBeenLastCalledWith({ do: "show-welcome", with: "icon" });

  greet({ ...welcome, progress: "3 sur 3", answers: [], icons: [{ status: "connected", label: "VPN connecté : tout est accessible" }] });
  expect(read("section ul")).toBe("VPN connecté : tout est accessible");
  expect(await violations()).toEqual([]);

  greet(null);
  await vi.waitFor(() => expect(document.activeElement?.id).toBe("search"));
  expect(read("h1")).toBe("VPN connecté depuis 14 h 02");
  expect(document.querySelector("nav")).not.toBeNull();
});

test("a question comes before a card of the first start, and Escape closes the window", () => {
  open();
  greet(welcome);
  update(asking);
  expect(read("#prompt")).toBe("Éteindre l’ordinateur maintenant ?");
  update(connected);
  press("Escape");
  expect(ipc.close).toHaveBeenCalledOnce();
});

test("a button that asks the helpdesk leads to the form, with what it is about chosen", async () => {
  const ask = { label: "Demander à AMIGO", action: { do: "ask-helpdesk", with: "other" } } as const;
  open();
  update({ ...connected, buttons: [ask] });
  const chosen = (): string | undefined => document.querySelector<HTMLInputElement>("input[type=radio]:checked")?.value;
  button(ask.label).focus();
  button(ask.label).click();
  expect(ipc.request).toHaveBeenLastCalledWith(ask.action);
  show({ part: "view-asked", is: [1, { to: "help-form", is: "other" }] });
  flushSync();
  expect(focused()).toBe("Demander à AMIGO");
  expect(await violations()).toEqual([]);
  expect(chosen()).toBe("other");
  expect(read("#help-preview")).toContain("Demande d’aide : Autre chose");
  // What was written stays when another button leads there again.
  type("#help-sentence", "Le lecteur T manque");
  show({ part: "view-asked", is: [2, { to: "help-form", is: "vpn" }] });
  flushSync();
  expect(chosen()).toBe("vpn");
  expect(element<HTMLInputElement>("#help-sentence").value).toBe("Le lecteur T manque");
  press("Escape");
  await vi.waitFor(() => expect(focused()).toBe(ask.label));
});

test("the menu opens the settings, in a new panel and in one that is open", async () => {
  show({ part: "view-asked", is: [1, { to: "settings" }] });
  open();
  expect(focused()).toBe("Réglages");
  expect(document.querySelector("[data-status]"), "no status has changed").toBeNull();
  await vi.waitFor(() => expect(ipc.rendered).toHaveBeenCalledOnce());
  expect(focused()).toBe("Réglages");
  button("Retour au panneau").click();
  flushSync();
  await vi.waitFor(() => expect(focused()).toBe("Réglages"));
  expect(document.querySelector("[data-setting]")).toBeNull();
  update({ ...connected, title: "VPN déconnecté" });
  expect(document.querySelector("[data-setting]"), "asked once").toBeNull();
  show({ part: "view-asked", is: [2, { to: "settings" }] });
  flushSync();
  expect(document.querySelector("[data-setting]")).not.toBeNull();
});
