/** A number as typed or pasted: its digits, empty if there are none, or what is wrong with it. */
export type ParsedNumber = { digits: string } | { error: string };

/** Removes the spaces and signs with which people write numbers. */
function bare(text: string): string {
  return text.replace(/[\s.\-–—_/\u200b\u2011\u2060]/gu, "");
}

function check(digits: string, maxDigits: number, error: string): ParsedNumber {
  if (!/^[0-9]*$/.test(digits)) return { error };
  return digits.length > maxDigits ? { error: `Ce numéro est trop long\u00a0: ${maxDigits} chiffres au plus.` } : { digits };
}

/** Parses the number of a remote support session. */
export function parseSession(text: string, maxDigits: number): ParsedNumber {
  return check(bare(text), maxDigits, "Un numéro de session n’a que des chiffres\u00a0: redemandez-le à l’opérateur.");
}

/** A telephone code with the number that follows it, as `view::french::dialled` writes it in notifications. */
export function dialled(code: string, number: string): string {
  const grouped = number.length === 10 ? (number.match(/../g) ?? []).join("\u00a0") : number;
  return `${code}\u00a0${grouped}`;
}

/** Parses a telephone number, internal or not. France's own prefix is replaced by the 0 that is dialled here. */
export function parseTelephone(text: string, maxDigits: number): ParsedNumber {
  const number = bare(text).replace(/^(?:\+|00)33(?:\(0\)|0)?/, "0").replace(/[()]/g, "");
  return check(number, maxDigits, "Un numéro de téléphone n’a que des chiffres, comme 06\u00a012\u00a034\u00a056\u00a078.");
}
