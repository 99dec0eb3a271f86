import fc from "fast-check";
import { expect, test } from "vitest";
import { countdown } from "./countdown";

const MINUTE = 60_000;

test.each([
  [0, ""],
  [-5, ""],
  [0.5, "dans moins d’une minute"],
  [1, "dans moins d’une minute"],
  [1.5, "dans 2 minutes"],
  [29, "dans 29 minutes"],
  [60, "dans 1 h"],
  [65, "dans 1 h 05"],
  [119.5, "dans 2 h"],
  [120, "dans plus de 2 heures"],
  [448, "dans plus de 7 heures"],
])("%d minutes left: %j", (minutes, text) => {
  expect(countdown(minutes * MINUTE, 0).text.replace(/\u00a0/g, " ")).toBe(text);
});

test("text stays until `next`, and changes seldom", () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 24 * 60 * MINUTE }), (left) => {
      const { text, next } = countdown(left, 0);
      if (next === null) throw new Error("time is left");
      expect(next).toBeGreaterThan(0);
      expect(countdown(left, next - 1).text).toBe(text);
      expect(countdown(left, next).text).not.toBe(text);
    }),
  );
  let [now, wakes] = [0, 0];
  for (let next: number | null = 0; next !== null; wakes += 1) {
    now += next;
    next = countdown(8 * 60 * MINUTE, now).next;
  }
  expect(wakes).toBeLessThan(130);
});
