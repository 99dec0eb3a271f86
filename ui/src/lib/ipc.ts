import { Channel, invoke } from "@tauri-apps/api/core";
import type { Action } from "./bindings/Action";
import type { Countdown } from "./bindings/Countdown";
import type { Form } from "./bindings/Form";
import type { SearchResults } from "./bindings/SearchResults";
import type { Part } from "./bindings/Part";
import type { Submission } from "./bindings/Submission";

/** The commands that both pages may call (src-tauri/panel/main.rs). */
export interface Ipc {
  /** Reports that the first model is rendered, so that the window can be shown. */
  rendered(): Promise<void>;
  /** Requests something that the model offers. */
  request(action: Action): Promise<void>;
  /** Closes the window. */
  close(): Promise<void>;
}

/** The commands of the panel's page. */
export interface PanelIpc extends Ipc {
  /** Hands each part of the model to `show`, and again whenever it changes. The panel itself comes last. */
  watch(show: (part: Part) => void): Promise<void>;
  /** Returns what the search finds. */
  find(question: string): Promise<SearchResults>;
  /** Returns the time left until a moment, in seconds since 1970; null once it has come. */
  countdown(until: number): Promise<Countdown | null>;
}

/** The commands of the page for connecting (src-tauri/panel/connect.rs). */
export interface ConnectIpc extends Ipc {
  /** Hands the form to `show`, and again whenever it changes. */
  watch(show: (form: Form) => void): Promise<void>;
  /** Sends what the user typed. */
  submit(submission: Submission): Promise<void>;
}

const ipc: Ipc = {
  rendered: () => invoke("rendered"),
  request: (action) => invoke("request", { action }),
  close: () => invoke("close"),
};

export const panelIpc: PanelIpc = {
  ...ipc,
  watch: (show) => invoke("watch", { parts: new Channel<Part>(show) }),
  find: (question) => invoke("find", { question }),
  countdown: (until) => invoke("countdown", { until }),
};

export const connectIpc: ConnectIpc = {
  ...ipc,
  watch: (show) => invoke("watch_form", { forms: new Channel<Form>(show) }),
  submit: async (submission) => {
    // As bytes: Tauri copies a JSON argument more often than the program could overwrite it.
    const bytes = new TextEncoder().encode(JSON.stringify(submission));
    try {
      await invoke("submit", bytes);
    } finally {
      bytes.fill(0);
    }
  },
};
