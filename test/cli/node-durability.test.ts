import { afterEach, describe, expect, test } from "bun:test";
import { spawnSync } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { STORE_FILE } from "../../lib/relay/store.ts";
import { realClock } from "../../lib/runtime/clock.ts";
import { SeededRandom } from "../../lib/runtime/random.ts";
import { seedOnions } from "../address/known-onions.ts";
import { endNodes, NodeProcess } from "../real/node-process.ts";
import { hexOf, idOf, transactionCount } from "../relay/transactions.ts";

afterEach(endNodes);

/** Nobody can be reached: whatever a wallet submits is held. */
const ALONE = ["--tx-proxy", "tor,127.0.0.1:1", "--add-peer", `${seedOnions[0]}:18083`];
const ROUNDS = 24;
/** Of these, those in which the kill comes while the node starts. */
const EARLY = 6;
const TEST_MS_MAX = 240_000;

/** What the wallet was told of each transaction; `unsure` where the node died before its answer. */
type Told = "held" | "gone" | "unsure";

/** What a stopped node has on the disk, checked to be whole. */
function kept(dataDir: string): Set<string> {
  const database = new DatabaseSync(join(dataDir, STORE_FILE));
  expect(database.prepare("PRAGMA integrity_check").get()).toEqual({ integrity_check: "ok" });
  const rows = database.prepare("SELECT id, blob, sends FROM local_transaction").all();
  database.close();
  const indexes = Array.from({ length: transactionCount }, (_, index) => index);
  for (const row of rows) {
    const index = indexes.find((one) => idOf(one) === row["id"]) ?? -1;
    expect(index).toBeGreaterThanOrEqual(0);
    expect(Buffer.from(row["blob"] as Uint8Array).toString("hex")).toBe(hexOf(index));
    expect(row["sends"]).toBe(0);
  }
  return new Set(rows.map((row) => String(row["id"])));
}

/** After a kill only what was unsure may be either way; from here on it is known. */
function settle(told: Map<string, Told>, found: ReadonlySet<string>): void {
  for (const [id, before] of told) {
    if (before !== "unsure") expect([id, found.has(id)]).toEqual([id, before === "held"]);
    told.set(id, found.has(id) ? "held" : "gone");
  }
  for (const id of found) expect(told.has(id)).toBe(true);
}

/** Submits what the node lacks, and has it forget what it has, until it dies. */
async function play(
  node: NodeProcess,
  told: Map<string, Told>,
  random: SeededRandom,
): Promise<void> {
  for (;;) {
    const index = random.uint32() % transactionCount;
    const id = idOf(index);
    const isHeld = told.get(id) === "held";
    told.set(id, "unsure");
    const answer = await answerOf(
      isHeld
        ? node.post("/forget", { id })
        : node.post("/send_raw_transaction", { tx_as_hex: hexOf(index) }),
    );
    if (answer === undefined) return;
    if (isHeld) expect(answer).toMatchObject({ forgotten: true, sends: 0 });
    // One of two that spend the same is refused.
    const isRefused = !isHeld && answer["status"] !== "OK";
    if (isRefused) expect(answer).toMatchObject({ double_spend: true });
    told.set(id, isHeld || isRefused ? "gone" : "held");
  }
}

/** Undefined where the node died before it had answered. */
async function answerOf(
  asked: Promise<Record<string, unknown>>,
): Promise<Record<string, unknown> | undefined> {
  return await asked.catch(() => undefined);
}

function die(node: NodeProcess, afterMs: number): void {
  realClock.setTimer(realClock.now() + afterMs, () => node.child.kill("SIGKILL"));
}

describe("SIGKILL at any moment", () => {
  test(
    "loses no transaction that was taken, keeps none that was forgotten, and leaves no half",
    async () => {
      const random = new SeededRandom(20_261);
      const dataDir = mkdtempSync(join(tmpdir(), "anonctl-kill-"));
      const told = new Map<string, Told>();
      for (let round = 0; round < ROUNDS; round++) {
        if (round % (ROUNDS / EARLY) === 1) {
          const early = NodeProcess.begin({ arguments: ALONE, dataDir });
          die(early, random.uint32() % 200);
          await early.exited;
          settle(told, kept(dataDir));
          continue;
        }
        const node = await NodeProcess.start({ arguments: ALONE, dataDir });
        const { transactions } = await node.status();
        expect(new Set(transactions.map(({ id }) => id))).toEqual(heldOf(told));
        for (const { delivery, sends } of transactions) {
          expect<unknown>([delivery, sends]).toEqual(["held", 0]);
        }
        die(node, random.uint32() % 80);
        await play(node, told, random);
        await node.exited;
        settle(told, kept(dataDir));
      }
      expect(told.size).toBeGreaterThan(8);
    },
    TEST_MS_MAX,
  );
});

function heldOf(told: ReadonlyMap<string, Told>): Set<string> {
  return new Set([...told].flatMap(([id, how]) => (how === "held" ? [id] : [])));
}

describe("A disk that is full", () => {
  /** The kernel refuses to let a file grow beyond the limit, as a full disk does. */
  const wrapper = ["/bin/sh", "-c", 'trap "" XFSZ; exec "$@"', "sh"];

  function limitFiles(node: NodeProcess, bytes: string): void {
    const { status, stderr } = spawnSync("prlimit", [`--pid=${node.pid}`, `--fsize=${bytes}:`], {
      encoding: "utf8",
    });
    expect([status, stderr]).toEqual([0, ""]);
  }

  test(
    "refuses a wallet with what to do, keeps nothing by half, and takes again when there is room",
    async () => {
      const node = await NodeProcess.start({ arguments: ALONE, wrapper });
      const submit = (index: number): Promise<Record<string, unknown>> =>
        node.post("/send_raw_transaction", { tx_as_hex: hexOf(index) });
      const held = async (): Promise<string[]> =>
        (await node.status()).transactions.map(({ id }) => id);
      expect(await submit(0)).toMatchObject({ status: "OK" });
      const { size } = statSync(join(node.dataDir, `${STORE_FILE}-wal`));
      limitFiles(node, String(size));
      for (const index of [1, 2]) {
        const refused = await submit(index);
        expect(refused).toMatchObject({ status: "Failed", not_relayed: true });
        expect(String(refused["reason"])).toContain("make room on the disk of --data-dir");
      }
      expect(await held()).toEqual([idOf(0)]);
      limitFiles(node, "unlimited");
      expect(await submit(2)).toMatchObject({ status: "OK" });
      expect(await submit(1)).toMatchObject({ status: "OK" });
      expect(new Set(await held())).toEqual(new Set([0, 1, 2].map(idOf)));
      node.child.kill("SIGKILL");
      if (node.child.signalCode === null) await once(node.child, "exit");
      expect(kept(node.dataDir)).toEqual(new Set([0, 1, 2].map(idOf)));
      const again = await NodeProcess.start({ arguments: ALONE, dataDir: node.dataDir });
      expect((await again.status()).transactions).toHaveLength(3);
    },
    TEST_MS_MAX,
  );
});
