import type { Tool } from "./bindings/Tool";

/** Words without a meaning for the search. */
const STOP_WORDS = new Set("a ai au aux ce ces comment d dans de des du en est et j je l la le les m ma mes mon ou par pour qu que s se sur un une".split(" "));

/** Splits a text into words, without accents, capitals and ligatures. A telephone code counts with its star and without. */
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

/** Scores how well a word matches: 2 for the whole word, 1 for its beginning or for the singular of a plural. */
function score(wanted: string, word: string): number {
  if (word === wanted) return 2;
  if (word.startsWith(wanted)) return 1;
  const singular = wanted.length > 3 ? wanted.replace(/[sx]$/, "") : wanted;
  return word === singular ? 1 : 0;
}

/** Returns the tools that match every word of the query, best first. A match in the label weighs most. */
export function search(tools: readonly Tool[], query: string): Tool[] {
  const all = [...new Set(queryWords(query))];
  if (all.length === 0) return [];
  const meaningful = all.filter((word) => !STOP_WORDS.has(word));
  const wanted = meaningful.length > 0 ? meaningful : all;
  const found = tools.flatMap((tool) => {
    const fields: [string[], number][] = [
      [words(tool.label), 4],
      [words(tool.detail), 2],
      [words(tool.keywords), 1],
    ];
    let total = 0;
    for (const word of wanted) {
      const best = Math.max(...fields.map(([texts, weight]) => weight * Math.max(0, ...texts.map((text) => score(word, text)))));
      if (best === 0) return [];
      total += best;
    }
    return [{ tool, total }];
  });
  return found.sort((one, other) => other.total - one.total).map(({ tool }) => tool);
}

/** Splits a query into words. A code that is typed with its star matches that code alone. */
function queryWords(query: string): string[] {
  const codes = new Set(query.match(/[*#][\p{L}\p{N}]+/gu)?.map((code) => code.slice(1)) ?? []);
  return words(query).filter((word) => !codes.has(word));
}
