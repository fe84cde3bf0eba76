import { afterEach, describe, expect, test } from "bun:test";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { STORE_FILE } from "../../lib/relay/store.ts";
import { seedOnions } from "../address/known-onions.ts";
import { hexOf, idOf } from "../relay/transactions.ts";
import { clear, directory, type Running, run, start } from "./program.ts";

afterEach(clear);

const ONION = `${seedOnions[0]}:18083`;

/** A node whose proxy is not there. */
async function node(dataDir: string): Promise<Running> {
  return await start(
    /ready\.v1/,
    ...["node", "--regtest", "--json", "--data-dir", dataDir, "--rpc-bind-port", "0"],
    ...["--tx-proxy", "tor,127.0.0.1:1", "--add-peer", ONION],
  );
}

function port(program: Running): number {
  const lines = program.output().out.split("\n");
  const ready: unknown = JSON.parse(lines.find((one) => one.includes("ready.v1")) ?? "");
  return (ready as { rpc: { port: number } }).rpc.port;
}

async function submit(program: Running, index: number): Promise<void> {
  const body = JSON.stringify({ tx_as_hex: hexOf(index) });
  const url = `http://127.0.0.1:${port(program)}/send_raw_transaction`;
  const answer: unknown = await (await fetch(url, { method: "POST", body })).json();
  expect(answer).toMatchObject({ status: "OK" });
}

/** The ids in a stopped node's store. */
function kept(dataDir: string): unknown[] {
  const database = new DatabaseSync(join(dataDir, STORE_FILE));
  const rows = database.prepare("SELECT id FROM local_transaction ORDER BY id").all();
  database.close();
  return rows.map((row) => row["id"]);
}

describe("anonctl node forget", () => {
  test("lets a transaction go for good, tells people and programs, and says when there is none", async () => {
    const dataDir = directory();
    const first = await node(dataDir);
    for (const index of [0, 1, 2]) await submit(first, index);
    const place = ["--data-dir", dataDir];

    const people = run("node", "forget", idOf(0).toUpperCase(), ...place);
    expect(people).toMatchObject({ code: 0, errors: "" });
    expect(people.out).toBe("The transaction is forgotten. It had not left this node.\n");

    const address = `127.0.0.1:${port(first)}`;
    const program = run("node", "forget", idOf(1), "--rpc-address", address, "--json");
    expect([program.code, program.errors]).toEqual([0, ""]);
    expect(JSON.parse(program.out)).toEqual({
      ...{ schema: "anonctl.node.forget.v1", id: idOf(1), forgotten: true, sends: 0 },
      still_leaves: false,
      reason: "The transaction is forgotten. It had not left this node.",
    });

    const again = run("node", "forget", idOf(1), ...place, "--json");
    expect([again.code, again.errors]).toEqual([1, ""]);
    expect(JSON.parse(again.out)).toMatchObject({
      forgotten: false,
      sends: null,
      still_leaves: false,
    });
    expect(run("node", "forget", idOf(1), ...place).out).toContain("holds no such transaction");

    first.child.kill("SIGKILL");
    await first.exited;
    expect(kept(dataDir)).toEqual([idOf(2)]);
    const second = await node(dataDir);
    const { out } = run("node", "status", ...place, "--json");
    const status = JSON.parse(out) as { transactions: { id: string }[] };
    expect(status.transactions.map(({ id }) => id)).toEqual([idOf(2)]);
    // It may come again, from its wallet.
    await submit(second, 0);
  });

  test("needs a node that runs", () => {
    const dataDir = directory();
    const { code, out, errors } = run("node", "forget", idOf(0), "--data-dir", dataDir);
    expect([code, out]).toEqual([3, ""]);
    expect(errors).toContain(`No node runs with its state in ${dataDir}`);
    expect(errors).toContain("start one with anonctl node");
    const nobody = run("node", "forget", idOf(0), "--rpc-address", "127.0.0.1:1");
    expect(nobody.code).toBe(3);
    expect(nobody.errors).toContain("No node answers at 127.0.0.1:1");
  });

  test.each<[readonly string[], string]>([
    [[], "missing required argument"],
    [["abc"], '"abc" is no transaction id'],
    [[`${idOf(0)}0`], "is no transaction id"],
    [[idOf(0), idOf(1)], "too many arguments"],
    [[idOf(0), "--rpc-address", "203.0.113.1:1"], "no address of this machine"],
    [[idOf(0), "--regtest", "--testnet"], "exclude each other"],
  ])("%p is refused", (words, part) => {
    const { code, errors } = run("node", "forget", ...words);
    expect(code).toBe(2);
    expect(errors).toContain(part);
  });

  test("--help has examples and exit codes", () => {
    const { code, out } = run("node", "forget", "--help");
    expect(code).toBe(0);
    for (const part of [
      "anonctl node forget TXID",
      "Exit codes: 0",
      "can't be called back",
      "still leaves there",
    ]) {
      expect(out).toContain(part);
    }
  });
});
