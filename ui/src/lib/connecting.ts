import { Channel, invoke } from "@tauri-apps/api/core";
import type { Action } from "./bindings/Action";
import type { Form } from "./bindings/Form";
import type { Submission } from "./bindings/Submission";

/** What the page for connecting may ask of the program (src-tauri/panel/connect.rs). */
export interface Connecting {
  /** Hands every form to `show`, the present one first. */
  watch(show: (form: Form) => void): Promise<void>;
  /** The first form stands on the page: the window may be shown. */
  rendered(): Promise<void>;
  /** Asks for something that the form offers. */
  ask(action: Action): Promise<void>;
  /** Sends what the user typed. */
  submit(submission: Submission): Promise<void>;
  /** Closes the window. */
  close(): Promise<void>;
}

export const connecting: Connecting = {
  watch: (show) => invoke("watch_form", { models: new Channel<Form>(show) }),
  rendered: () => invoke("rendered"),
  ask: (action) => invoke("ask", { action }),
  submit: async (submission) => {
    // As bytes, which are taken as they are: of an argument in JSON, the program would make more copies than it can overwrite.
    const bytes = new TextEncoder().encode(JSON.stringify(submission));
    try {
      await invoke("submit", bytes);
    } finally {
      bytes.fill(0);
    }
  },
  close: () => invoke("close"),
};
