import type { Facts } from "./conversation.ts";
import { ProbeError } from "./error.ts";

type Operator = "=" | "!=" | ">=" | "<=" | ">" | "<";

/** One condition on what a peer tells of itself. */
export interface Expectation {
  readonly fact: string;
  readonly operator: Operator;
  readonly value: string;
}

/** Conditions in one `--expect`; more is a mistake. */
const EXPECTATIONS_MAX = 32;
const CONDITION = /^([a-z][a-z0-9_]{0,40})(!=|>=|<=|=|>|<)(.{1,200})$/;

/** Every fact that some protocol tells, for a mistyped name to be found before anything is asked. */
export const factNames: ReadonlySet<string> = new Set([
  ...["network", "height", "version", "peers", "peers_tor", "peers_i2p", "peers_public"],
  ...["foreign_peers", "peer_id_hidden", "support_flags", "handshake_ms", "timed_sync_ms"],
  ...["status", "server_name", "tls", "certificate_valid", "certificate_sha256", "banner_bytes"],
  ...["silent", "method", "client", "capabilities", "rlpx_version", "node_id", "kind", "tub_id"],
  ...["spki_sha256", "disconnect"],
]);

/**
 * Reads `--expect`'s grammar: conditions between commas, such as `network=mainnet,height>=3000000`.
 *
 * @param text what the user wrote
 * @throws ProbeError `bad-expectation`
 */
export function parseExpectations(text: string): Expectation[] {
  const parts = text.split(",");
  if (parts.length > EXPECTATIONS_MAX) {
    throw new ProbeError(
      "bad-expectation",
      `--expect has ${parts.length} conditions, where ${EXPECTATIONS_MAX} are allowed.`,
    );
  }
  return parts.map((part) => parseCondition(part.trim()));
}

function parseCondition(text: string): Expectation {
  const [, fact, operator, value] = CONDITION.exec(text) ?? [];
  if (fact === undefined || !isOperator(operator) || value === undefined) {
    throw new ProbeError(
      "bad-expectation",
      `"${text.slice(0, 80)}" in --expect is no condition; write FACT=VALUE, or != >= <= > <, as in height>=3000000.`,
    );
  }
  if (!factNames.has(fact)) {
    throw new ProbeError(
      "bad-expectation",
      `No protocol tells of "${fact}"; there are ${[...factNames].join(", ")}.`,
    );
  }
  const ordered = operator !== "=" && operator !== "!=";
  if (ordered && !Number.isFinite(Number(value))) {
    throw new ProbeError(
      "bad-expectation",
      `"${text.slice(0, 80)}" in --expect compares with "${value.slice(0, 40)}", which is not a number.`,
    );
  }
  return { fact, operator, value };
}

function isOperator(text: string | undefined): text is Operator {
  return text !== undefined && ["=", "!=", ">=", "<=", ">", "<"].includes(text);
}

/**
 * The conditions that do not hold, in words.
 *
 * @param expectations what was asked for
 * @param facts what the peer told
 * @returns one sentence each, empty when all hold
 */
export function unmetExpectations(expectations: readonly Expectation[], facts: Facts): string[] {
  return expectations.flatMap((expectation) => {
    const { fact, operator, value } = expectation;
    const found = facts[fact];
    if (found === undefined)
      return [`Expected ${fact}${operator}${value}, but nothing tells of it.`];
    return holds(found, operator, value)
      ? []
      : [`Expected ${fact}${operator}${value}, but ${fact} is ${String(found)}.`];
  });
}

function holds(found: string | number | boolean, operator: Operator, value: string): boolean {
  const number = Number(value);
  const same =
    typeof found === "number"
      ? found === number
      : String(found).toLowerCase() === value.toLowerCase();
  const size = typeof found === "boolean" ? Number.NaN : Number(found);
  switch (operator) {
    case "=":
      return same;
    case "!=":
      return !same;
    case ">=":
      return size >= number;
    case "<=":
      return size <= number;
    case ">":
      return size > number;
    case "<":
      return size < number;
  }
}

/**
 * The value that a fact must have, where a condition says so with `=`.
 *
 * @param expectations what was asked for
 * @param fact the name
 */
export function expectedValue(
  expectations: readonly Expectation[],
  fact: string,
): string | undefined {
  return expectations.find((one) => one.fact === fact && one.operator === "=")?.value;
}
