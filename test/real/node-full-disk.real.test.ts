import { afterEach, expect } from "bun:test";
import { closeSync, copyFileSync, mkdtempSync, openSync, rmSync, writeSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { STORE_FILE } from "../../lib/relay/store.ts";
import { seedOnions } from "../address/known-onions.ts";
import { hexOf, idOf } from "../relay/transactions.ts";
import { requireDaemon } from "./daemon.ts";
import { endNodes, NodeProcess } from "./node-process.ts";

const { test } = requireDaemon("unshare");

afterEach(endNodes);

const DISK_BYTES = 2_097_152;
/** Only root may mount, or who is root in a namespace of users. */
const asRoot = process.getuid?.() === 0 ? [] : ["--user", "--map-root-user"];
/** Puts a small disk at the data directory, in a mount namespace of the node's own. */
const wrapper = (dataDir: string): string[] => [
  ...["unshare", ...asRoot, "--mount", "/bin/sh", "-c"],
  `mount -t tmpfs -o size=${DISK_BYTES} disk "$0" && exec "$@"`,
  dataDir,
];

/** Writes until nothing more fits. */
function fill(file: string): void {
  const handle = openSync(file, "w");
  try {
    for (const size of [65_536, 4_096, 1]) {
      for (let written = 0; written <= DISK_BYTES; written += size) {
        writeSync(handle, new Uint8Array(size));
      }
    }
  } catch (error) {
    if (!(error instanceof Error && "code" in error && error.code === "ENOSPC")) throw error;
  } finally {
    closeSync(handle);
  }
}

test("a disk that fills up refuses a wallet, keeps no half, and the node goes on when there is room", async () => {
  const dataDir = mkdtempSync(join(tmpdir(), "anonctl-disk-"));
  const node = await NodeProcess.start({
    arguments: ["--tx-proxy", "tor,127.0.0.1:1", "--add-peer", `${seedOnions[0]}:18083`],
    ...{ dataDir, wrapper: wrapper(dataDir) },
  });
  // The node's own view of the directory, from outside of its namespace.
  const inside = join("/proc", String(node.pid), "root", dataDir);
  const filler = join(inside, "filler");
  const submit = (index: number): Promise<Record<string, unknown>> =>
    node.post("/send_raw_transaction", { tx_as_hex: hexOf(index) });
  const held = async (): Promise<Set<string>> =>
    new Set((await node.status()).transactions.map(({ id }) => id));

  expect(await submit(0)).toMatchObject({ status: "OK" });
  fill(filler);
  // What the file system had set aside already may still hold one.
  const answers = [await submit(1), await submit(2), await submit(3)];
  const taken = [0, ...[1, 2, 3].filter((index) => answers[index - 1]?.["status"] === "OK")];
  const refused = answers.filter(({ status }) => status !== "OK");
  expect(refused.length).toBeGreaterThan(0);
  for (const answer of refused) {
    expect(answer).toMatchObject({ status: "Failed", not_relayed: true });
    expect(String(answer["reason"])).toContain("make room on the disk of --data-dir");
  }
  expect(await held()).toEqual(new Set(taken.map(idOf)));

  rmSync(filler);
  for (const index of [1, 2, 3, 4]) expect(await submit(index)).toMatchObject({ status: "OK" });
  const all = new Set([0, 1, 2, 3, 4].map(idOf));
  expect(await held()).toEqual(all);

  // Held still, so that its files are those of a node that was killed here.
  process.kill(node.pid, "SIGSTOP");
  const copy = mkdtempSync(join(tmpdir(), "anonctl-disk-copy-"));
  for (const name of [STORE_FILE, `${STORE_FILE}-wal`]) {
    copyFileSync(join(inside, name), join(copy, name));
  }
  const database = new DatabaseSync(join(copy, STORE_FILE));
  const rows = database.prepare("SELECT id, blob FROM local_transaction").all();
  expect(database.prepare("PRAGMA integrity_check").get()).toEqual({ integrity_check: "ok" });
  database.close();
  rmSync(copy, { recursive: true });
  const blobs = rows.map((row) => Buffer.from(row["blob"] as Uint8Array).toString("hex"));
  expect(new Set(blobs)).toEqual(new Set([0, 1, 2, 3, 4].map(hexOf)));
  expect(new Set(rows.map((row) => row["id"]))).toEqual(all);
}, 120_000);
