import { beforeAll, describe, expect, test } from "bun:test";
import {
  circleRule,
  endingRule,
  exampleRule,
  floorRule,
  programRule,
  type Rule,
  resolverRule,
  runtimeRule,
  socketRule,
  timeAndChanceRule,
} from "./house/import-rules.ts";
import { readSources, type SourceFact } from "./house/source.ts";
import { sourceTexts } from "./house/tree.ts";

let sources: SourceFact[] = [];

beforeAll(async () => {
  sources = await readSources(sourceTexts());
});

async function breachesOf(rule: Rule, files: Record<string, string>): Promise<string[]> {
  return rule(await readSources(new Map(Object.entries(files))));
}

/** One breach a mutant: its rule, its file, its text. */
const mutants: readonly (readonly [string, Rule, string, string])[] = [
  [
    "a lower room imports a higher one",
    floorRule,
    "lib/levin/m.ts",
    'import { a } from "../relay/core.ts";',
  ],
  [
    "a room imports its sibling",
    floorRule,
    "lib/socks/m.ts",
    'import { a } from "../monero/network.ts";',
  ],
  [
    "a type comes from above",
    floorRule,
    "lib/address/m.ts",
    'import type { A } from "../zone/dial.ts";',
  ],
  [
    "a type is named in place",
    floorRule,
    "lib/address/m.ts",
    'export type A = import("../zone/dial.ts").A;',
  ],
  ["a re-export reaches up", floorRule, "lib/runtime/m.ts", 'export * from "../address/zone.ts";'],
  [
    "a late import reaches up",
    floorRule,
    "lib/zone/m.ts",
    'const a = await import("../relay/core.ts");',
  ],
  [
    "the library imports the command line",
    floorRule,
    "lib/relay/m.ts",
    'import { a } from "../../cli/main.ts";',
  ],
  [
    "the library imports a test",
    floorRule,
    "lib/relay/m.ts",
    'import { a } from "../../test/a.ts";',
  ],
  ["a file in no room", floorRule, "lib/m.ts", ""],
  ["a room that nobody planned", floorRule, "lib/shed/m.ts", ""],
  ["an import without ending", endingRule, "lib/address/m.ts", 'import { a } from "./zone";'],
  [
    "an example reaches inside",
    exampleRule,
    "examples/m.ts",
    'import { a } from "../lib/address/zone.ts";',
  ],
  [
    "an example takes another's part",
    exampleRule,
    "examples/m.ts",
    'import { a } from "./n/part.ts";',
  ],
  ["an example needs a package", exampleRule, "examples/m.ts", 'import { z } from "zod";'],
  ["Bun in the library", runtimeRule, "lib/zone/m.ts", 'const a = Bun.file("x");'],
  ["Bun in parts", runtimeRule, "lib/zone/m.ts", "const { listen } = Bun;"],
  [
    "Bun's module in the library",
    runtimeRule,
    "lib/zone/m.ts",
    'import { Database } from "bun:sqlite";',
  ],
  ["a computed import", runtimeRule, "lib/zone/m.ts", "const a = await import(name);"],
  ["a socket in a pure room", socketRule, "lib/levin/m.ts", 'import { connect } from "node:net";'],
  ["a socket module whole", socketRule, "lib/levin/m.ts", 'import * as net from "node:net";'],
  [
    "a socket beside a check",
    socketRule,
    "lib/address/m.ts",
    'import { isIPv4, Socket } from "node:net";',
  ],
  ["a socket imported late", socketRule, "cli/m.ts", 'const net = await import("node:net");'],
  ["a datagram", socketRule, "lib/zone/m.ts", 'import dgram from "node:dgram";'],
  ["a web request", socketRule, "lib/relay/m.ts", 'await fetch("x");'],
  [
    "a web request by the global object",
    socketRule,
    "lib/relay/m.ts",
    'await globalThis.fetch("x");',
  ],
  ["a web socket", socketRule, "lib/relay/m.ts", 'new WebSocket("x");'],
  [
    "a listener that dials",
    socketRule,
    "lib/relay/rpc.ts",
    'import { createServer, request } from "node:http";',
  ],
  [
    "a program started past its starter",
    programRule,
    "lib/tor/m.ts",
    'import { spawn } from "node:child_process";',
  ],
  [
    "a program started",
    programRule,
    "lib/relay/m.ts",
    'import { spawn } from "node:child_process";',
  ],
  ["the resolver", resolverRule, "lib/zone/dial.ts", 'import { lookup } from "node:dns";'],
  [
    "the resolver's promises",
    resolverRule,
    "lib/devnet/m.ts",
    'import dns from "node:dns/promises";',
  ],
  [
    "the resolver by the file that may ask it",
    resolverRule,
    "lib/relay/driver.ts",
    'import { systemLookup } from "../zone/system-resolver.ts";',
  ],
  ["the resolver by another door", resolverRule, "lib/devnet/m.ts", "node.dns.lookup(a);"],
  ["chance", timeAndChanceRule, "lib/padding/m.ts", "const a = Math.random();"],
  ["chance handed on", timeAndChanceRule, "lib/padding/m.ts", "const a = Math.random;"],
  [
    "chance from node:crypto",
    timeAndChanceRule,
    "lib/padding/m.ts",
    'import { randomBytes } from "node:crypto";',
  ],
  ["the date", timeAndChanceRule, "cli/m.ts", "const a = Date.now();"],
  ["the date as an object", timeAndChanceRule, "lib/relay/m.ts", "const a = new Date();"],
  ["a stopwatch", timeAndChanceRule, "lib/relay/m.ts", "const a = globalThis.performance.now();"],
  ["a timer", timeAndChanceRule, "lib/relay/m.ts", "setTimeout(a, 5);"],
  [
    "a timer imported",
    timeAndChanceRule,
    "lib/relay/m.ts",
    'import { setTimeout } from "node:timers/promises";',
  ],
];

/** What looks like a breach and is none. */
const innocents: readonly (readonly [string, Rule, string, string])[] = [
  [
    "the resolver for who has asked for it",
    resolverRule,
    "lib/zone/system-resolver.ts",
    'import { lookup } from "node:dns/promises";',
  ],
  ["a room below", floorRule, "lib/relay/m.ts", 'import { a } from "../zone/dial.ts";'],
  ["an example's own part", exampleRule, "examples/m.ts", 'import { a } from "./m/part.ts";'],
  ["parts of one example", exampleRule, "examples/m/a.ts", 'import { b } from "./b.ts";'],
  ["the same room", floorRule, "lib/relay/m.ts", 'import { a } from "./core.ts";'],
  [
    "a check of a text",
    socketRule,
    "lib/address/m.ts",
    'import { isIPv4, isIPv6 } from "node:net";',
  ],
  ["a socket's type", socketRule, "lib/levin/m.ts", 'import type { Socket } from "node:net";'],
  [
    "a socket's type among types",
    socketRule,
    "lib/levin/m.ts",
    'import { type Socket } from "node:net";',
  ],
  ["the dialer", socketRule, "lib/zone/dial.ts", 'import { connect } from "node:net";'],
  [
    "words in a text",
    timeAndChanceRule,
    "lib/relay/m.ts",
    'const a = "Math.random()"; // Date.now()',
  ],
  ["a date of a given time", timeAndChanceRule, "lib/relay/m.ts", "const a = new Date(now);"],
  ["a socket's own timeout", timeAndChanceRule, "lib/relay/m.ts", "socket.setTimeout(0);"],
  [
    "a scratch name",
    timeAndChanceRule,
    "lib/devnet/m.ts",
    'import { randomUUID } from "node:crypto";',
  ],
  [
    "the starter of programs",
    programRule,
    "lib/process/m.ts",
    'import { spawn } from "node:child_process";',
  ],
  ["the clock", timeAndChanceRule, "lib/runtime/m.ts", "const a = performance.now();"],
];

describe("the import rule", () => {
  test("reads the whole tree", () => {
    const paths = sources.map((source) => source.path);
    expect(paths).toContain("lib/runtime/clock.ts");
    expect(paths).toContain("test/import-rule.test.ts");
    expect(sources.flatMap((source) => source.imports).length).toBeGreaterThan(100);
  });

  const rules: readonly (readonly [string, Rule])[] = [
    ["a file imports only from its own room and floors below", floorRule],
    ["no circles", circleRule],
    ["imports name their file in full", endingRule],
    ["examples import only mod.ts", exampleRule],
    ["the library belongs to no single runtime", runtimeRule],
    ["sockets are opened only where the architecture says", socketRule],
    ["other programs are started only where the architecture says", programRule],
    ["nothing asks the system resolver", resolverRule],
    ["time and chance come from lib/runtime", timeAndChanceRule],
  ];
  test.each(rules)("%s", (_name, rule) => {
    expect(rule(sources)).toEqual([]);
  });
});

describe("a breach is found", () => {
  test.each(mutants)("%s", async (_name, rule, path, text) => {
    const breaches = await breachesOf(rule, { [path]: text });
    expect(breaches).toHaveLength(1);
    expect(breaches[0]).toStartWith(`${path}: `);
  });

  test("a circle of three", async () => {
    const breaches = await breachesOf(circleRule, {
      "lib/zone/a.ts": 'import { b } from "./b.ts";',
      "lib/zone/b.ts": 'export * from "./c.ts";',
      "lib/zone/c.ts": 'import type { A } from "./a.ts";',
    });
    expect(breaches).toEqual([
      "lib/zone/a.ts → lib/zone/b.ts → lib/zone/c.ts → lib/zone/a.ts: a circle",
    ]);
  });

  test("two roads to one file are no circle", async () => {
    const breaches = await breachesOf(circleRule, {
      "lib/zone/a.ts": 'import "./b.ts"; import "./c.ts";',
      "lib/zone/b.ts": 'import "./c.ts";',
      "lib/zone/c.ts": "",
    });
    expect(breaches).toEqual([]);
  });
});

describe("what is allowed passes", () => {
  test.each(innocents)("%s", async (_name, rule, path, text) => {
    expect(await breachesOf(rule, { [path]: text })).toEqual([]);
  });
});
