import { Channel, invoke } from "@tauri-apps/api/core";
import type { Action } from "./bindings/Action";
import type { Panel } from "./bindings/Panel";

/** What the page may ask of the program (src-tauri/panel/main.rs). */
export interface Tray {
  /** Hands every model to `show`, the present one first. */
  watch(show: (panel: Panel) => void): Promise<void>;
  /** The first model stands on the page: the window may be shown. */
  rendered(): Promise<void>;
  /** Asks for something that the model offers. */
  ask(action: Action): Promise<void>;
  /** Closes the panel. */
  close(): Promise<void>;
}

export const tray: Tray = {
  watch: (show) => invoke("watch", { models: new Channel<Panel>(show) }),
  rendered: () => invoke("rendered"),
  ask: (action) => invoke("ask", { action }),
  close: () => invoke("close"),
};
