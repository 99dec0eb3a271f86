import { flushSync, mount, unmount } from "svelte";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import App from "./App.svelte";
import type { Panel } from "./lib/bindings/Panel";
import type { Part } from "./lib/bindings/Part";
import type { Row } from "./lib/bindings/Row";

const connected: Panel = {
  title: "VPN connecté depuis 14 h 02",
  subtitle: "Les lecteurs réseau sont accessibles.",
  verdict: "connected",
  question: null,
  buttons: [
    { label: "Télémaintenance", action: { do: "open", with: "isl-light" } },
    { label: "Copier les infos pour l’assistance", action: { do: "copy-support-info" } },
  ],
  groups: [
    {
      title: "Cet ordinateur",
      rows: [
        { id: "computer", label: "Nom de l’ordinateur", value: "PC-14RC-DSI-0421", mark: "normal", fact: null, details: [], until: null },
        { id: "disk", label: "Disque système", value: "12 Go libres", mark: "warning", fact: null, details: [], until: null },
        { id: "battery", label: "Batterie", value: "illisible", mark: "unavailable", fact: null, details: [], until: null },
      ],
    },
    { title: "Vide", rows: [] },
  ],
};

const asking: Panel = {
  ...connected,
  title: "VPN déconnecté depuis 16 h 40",
  verdict: "disconnected",
  question: {
    title: "Éteindre l’ordinateur maintenant ?",
    text: "Enregistrez d’abord votre travail.",
    answers: [{ label: "Éteindre", action: { do: "confirm-shut-down" } }],
  },
};

const writeText = vi.fn<(text: string) => Promise<void>>();
let show: (part: Part) => void;
let page: Record<string, unknown>;
const tray = {
  watch: vi.fn((handler: (part: Part) => void) => {
    show = handler;
    return Promise.resolve();
  }),
  rendered: vi.fn(() => Promise.resolve()),
  ask: vi.fn(() => Promise.resolve()),
  close: vi.fn(() => Promise.resolve()),
};

beforeEach(() => {
  vi.clearAllMocks();
  writeText.mockResolvedValue();
  Object.defineProperty(navigator, "clipboard", { value: { writeText }, configurable: true });
  page = mount(App, { target: document.body, props: { tray } });
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

/** The text as a screen reader reads it. */
function read(selector: string): string {
  return element(selector).textContent.replace(/\s+/g, " ").trim();
}

test("shows the first model, and only then lets the window appear", async () => {
  expect(document.querySelector("main")).toBeNull();
  expect(tray.rendered).not.toHaveBeenCalled();
  update(connected);
  expect(read("h1")).toBe("VPN connecté depuis 14 h 02");
  await vi.waitFor(() => expect(tray.rendered).toHaveBeenCalledOnce());
  update(asking);
  await Promise.resolve();
  expect(tray.rendered).toHaveBeenCalledOnce();
});

test("names each fact, and marks in words what is not normal", () => {
  update(connected);
  expect(read("[data-id=computer] dt")).toBe("Nom de l’ordinateur");
  expect(read("[data-id=computer] dd")).toBe("PC-14RC-DSI-0421");
  expect(read("[data-id=disk] dd")).toBe("Attention : 12 Go libres");
  expect(read("[data-id=battery] dd")).toBe("Indisponible : illisible");
  expect(document.querySelectorAll("h2")).toHaveLength(1);
});

test("tells a new verdict to screen readers, in the region that was there before", () => {
  update(connected);
  const region = element("header [role=status]");
  update(asking);
  expect(element("header [role=status]")).toBe(region);
  expect(read("header [role=status]")).toContain("VPN déconnecté depuis 16 h 40");
  expect(element("header").classList).toContain("verdict--disconnected");
});

test("asks for exactly what a button carries", () => {
  update(asking);
  button("Télémaintenance").click();
  expect(tray.ask).toHaveBeenLastCalledWith({ do: "open", with: "isl-light" });
  button("Éteindre").click();
  expect(tray.ask).toHaveBeenLastCalledWith({ do: "confirm-shut-down" });
  update(connected);
  expect(document.querySelector("#question")).toBeNull();
});

test("copies a fact, and says so", async () => {
  update(connected);
  button("Copier : Nom de l’ordinateur").click();
  expect(writeText).toHaveBeenCalledExactlyOnceWith("PC-14RC-DSI-0421");
  await vi.waitFor(() => expect(read("p[role=status]")).toBe("Nom de l’ordinateur : copié"));
});

test("leaves each copy's word its moment, however soon it follows another", async () => {
  vi.useFakeTimers();
  try {
    update(connected);
    button("Copier : Nom de l’ordinateur").click();
    await vi.advanceTimersByTimeAsync(1500);
    button("Copier : Batterie").click();
    await vi.advanceTimersByTimeAsync(1500);
    expect(read("p[role=status]")).toBe("Batterie : copié");
    await vi.advanceTimersByTimeAsync(500);
    expect(read("p[role=status]")).toBe("");
  } finally {
    vi.useRealTimers();
  }
});

test("says when a fact could not be copied", async () => {
  writeText.mockRejectedValue(new Error("refused"));
  update(connected);
  button("Copier : Batterie").click();
  await vi.waitFor(() => expect(read("p[role=status]")).toBe("Batterie : la copie a échoué"));
});

test("closes on Escape, and on no other key", () => {
  update(connected);
  window.dispatchEvent(new KeyboardEvent("keydown", { key: "Enter" }));
  expect(tray.close).not.toHaveBeenCalled();
  window.dispatchEvent(new KeyboardEvent("keydown", { key: "Escape" }));
  expect(tray.close).toHaveBeenCalledOnce();
});

test("outlives two rows of one name", () => {
  const row: Row = { id: "printer-A", label: "Imprimante", value: "A", mark: "normal", fact: null, details: [], until: null };
  update({ ...connected, groups: [{ title: "Imprimantes", rows: [row, row] }] });
  expect(document.querySelectorAll("[data-id=printer-A]")).toHaveLength(2);
});
