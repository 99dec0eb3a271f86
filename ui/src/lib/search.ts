import type { Tool } from "./bindings/Tool";

/** Words that say nothing of what is looked for. */
const EMPTY = new Set("a ai au aux ce ces comment d dans de des du en est et j je l la le les m ma mes mon ou par pour qu que s se sur un une".split(" "));

/** The words of a text, without accents, capitals and ligatures. A telephone code is a word with its star and without. */
export function words(text: string): string[] {
  const plain = text
    .toLowerCase()
    .replaceAll("œ", "oe")
    .replaceAll("æ", "ae")
    .normalize("NFD")
    .replace(/\p{M}/gu, "")
    .normalize("NFKC");
  return (plain.match(/[*#]?[\p{L}\p{N}]+#?/gu) ?? []).flatMap((word) => {
    const bare = word.replace(/[*#]/g, "");
    return bare === word ? [word] : [word, bare];
  });
}

/** How well a word of the query fits: the whole word best, then its beginning; a plural fits its singular. */
function fit(wanted: string, word: string): number {
  if (word === wanted) return 2;
  if (word.startsWith(wanted)) return 1;
  const singular = wanted.length > 3 ? wanted.replace(/[sx]$/, "") : wanted;
  return word === singular ? 1 : 0;
}

/** The tools in which every word of the query is found, best first. Where a word stands counts: the name, then the rest. */
export function search(tools: readonly Tool[], query: string): Tool[] {
  const asked = [...new Set(query.trim() === "" ? [] : wanted(query))];
  if (asked.length === 0) return [];
  const telling = asked.filter((word) => !EMPTY.has(word));
  const sought = telling.length > 0 ? telling : asked;
  const found = tools.flatMap((tool) => {
    const places: [string[], number][] = [
      [words(tool.label), 4],
      [words(tool.detail), 2],
      [words(tool.keywords), 1],
    ];
    let score = 0;
    for (const word of sought) {
      const best = Math.max(...places.map(([there, weight]) => weight * Math.max(0, ...there.map((other) => fit(word, other)))));
      if (best === 0) return [];
      score += best;
    }
    return [{ tool, score }];
  });
  return found.sort((one, other) => other.score - one.score).map(({ tool }) => tool);
}

/** The words of a query: a code that is typed with its star means that code alone. */
function wanted(query: string): string[] {
  const starred = new Set(query.match(/[*#][\p{L}\p{N}]+/gu)?.map((code) => code.slice(1)) ?? []);
  return words(query).filter((word) => !starred.has(word));
}
