/** What a person typed or pasted as a number: its digits, or what is wrong with it in words. */
export type Typed = { digits: string } | { fault: string };

/** As many as the program takes (src-tauri/core/digits.rs). */
const MOST = 20;

/** Spaces and signs between digits are how people write numbers, and mean nothing. */
function bare(text: string): string {
  return text.replace(/[\s.\-–—_/\u200b\u2011\u2060]/gu, "");
}

function check(digits: string, fault: string): Typed {
  if (!/^[0-9]*$/.test(digits)) return { fault };
  return digits.length > MOST ? { fault: `Ce numéro est trop long : ${MOST} chiffres au plus.` } : { digits };
}

/** The number of a session; empty where nothing was typed. */
export function session(text: string): Typed {
  return check(bare(text), "Un numéro de session n’a que des chiffres : redemandez-le à l’opérateur.");
}

/** A telephone number, internal or not; empty where nothing was typed. France's own prefix is left out, as one dials here. */
export function telephone(text: string): Typed {
  const number = bare(text).replace(/^(?:\+|00)33(?:\(0\)|0)?/, "0").replace(/[()]/g, "");
  return check(number, "Un numéro de téléphone n’a que des chiffres, comme 06 12 34 56 78.");
}
