import fc from "fast-check";
import { expect, test } from "vitest";
import { session, telephone } from "./digits";

test.each([
  ["12345678", "12345678"],
  [" 1234 5678\n", "12345678"],
  ["12-34-56-78", "12345678"],
  ["1234\u00a05678", "12345678"],
  ["", ""],
])("the session %j is %j", (text, digits) => {
  expect(session(text)).toEqual({ digits });
});

test.each(["12a", "--connect", "1;2", "١٢٣", "123 456 789 012 345 678 901"])("%j is no session", (text) => {
  expect(session(text)).toHaveProperty("fault");
});

test.each([
  ["1234", "1234"],
  ["06 12 34 56 78", "0612345678"],
  ["06.12.34.56.78", "0612345678"],
  ["+33 6 12 34 56 78", "0612345678"],
  ["+33 (0)6 12 34 56 78", "0612345678"],
  ["0033612345678", "0612345678"],
  ["02-35-14-75-00", "0235147500"],
])("the number %j is dialled as %j", (text, digits) => {
  expect(telephone(text)).toEqual({ digits });
});

test("no text becomes anything but digits", () => {
  fc.assert(
    fc.property(fc.string({ unit: "binary" }), (text) => {
      for (const typed of [session(text), telephone(text)]) {
        if ("digits" in typed) expect(typed.digits).toMatch(/^[0-9]{0,20}$/);
        else expect(typed.fault).not.toBe("");
      }
    }),
  );
});
