import fc from "fast-check";
import { expect, test } from "vitest";
import { parseSession, parseTelephone } from "./numbers";

const MAX_DIGITS = 20;

test.each([
  ["12345678", "12345678"],
  [" 1234 5678\n", "12345678"],
  ["12-34-56-78", "12345678"],
  ["1234\u00a05678", "12345678"],
  ["", ""],
])("session %j is %j", (text, digits) => {
  expect(parseSession(text, MAX_DIGITS)).toEqual({ digits });
});

test.each(["12a", "--connect", "1;2", "١٢٣", "123 456 789 012 345 678 901"])("%j is not a session", (text) => {
  expect(parseSession(text, MAX_DIGITS)).toHaveProperty("error");
});

test.each([
  ["1234", "1234"],
  ["06 12 34 56 78", "0612345678"],
  ["06.12.34.56.78", "0612345678"],
  ["+33 6 12 34 56 78", "0612345678"],
  ["+33 (0)6 12 34 56 78", "0612345678"],
  ["0033612345678", "0612345678"],
  ["02-35-14-75-00", "0235147500"],
])("telephone number %j is dialled as %j", (text, digits) => {
  expect(parseTelephone(text, MAX_DIGITS)).toEqual({ digits });
});

// It takes its time on a busy machine.
test("every text becomes digits or an error", { timeout: 60_000 }, () => {
  fc.assert(
    fc.property(fc.string({ unit: "binary" }), (text) => {
      for (const typed of [parseSession(text, MAX_DIGITS), parseTelephone(text, MAX_DIGITS)]) {
        if ("digits" in typed) expect(typed.digits).toMatch(/^[0-9]{0,20}$/);
        else expect(typed.error).not.toBe("");
      }
    }),
  );
});
