import { createContext } from "svelte";
import type { HelpTopic } from "./bindings/HelpTopic";

/** What the user has typed in a card; it stays while the panel shows something else. */
export interface Drafts {
  /** What help is asked about, and the sentence. */
  topic: HelpTopic | undefined;
  sentence: string;
  /** The number of a remote support session. */
  session: string;
  /** The number to which calls are forwarded. */
  telephone: string;
}

export const [getDrafts, setDrafts] = createContext<Drafts>();
