import { Channel, invoke } from "@tauri-apps/api/core";
import type { Action } from "./bindings/Action";
import type { Part } from "./bindings/Part";

/** What the page may ask of the program (src-tauri/panel/main.rs). */
export interface Tray {
  /** Hands every part of the model to `show`, and each again when it changes. The panel itself comes last. */
  watch(show: (part: Part) => void): Promise<void>;
  /** The first model stands on the page: the window may be shown. */
  rendered(): Promise<void>;
  /** Asks for something that the model offers. */
  ask(action: Action): Promise<void>;
  /** Closes the panel. */
  close(): Promise<void>;
}

export const tray: Tray = {
  watch: (show) => invoke("watch", { parts: new Channel<Part>(show) }),
  rendered: () => invoke("rendered"),
  ask: (action) => invoke("ask", { action }),
  close: () => invoke("close"),
};
