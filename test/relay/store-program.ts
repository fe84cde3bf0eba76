// Run as a program of its own: uses a store in a directory until it is told, or killed.
import process from "node:process";
import { RelayError } from "../../lib/relay/error.ts";
import { RelayStore } from "../../lib/relay/store.ts";
import { blobOf } from "./transactions.ts";

const [task = "", path = ""] = process.argv.slice(2);
const store = RelayStore.open(path, "regtest");

/** Keeps one more; each has an id of its own. */
function insert(index: number): void {
  store.insert(index.toString(16).padStart(64, "0"), blobOf(0), index);
}

switch (task) {
  case "hold":
    process.stdout.write("holding\n");
    process.stdin.resume();
    break;
  case "insert-for-ever":
    for (let index = 0; ; index++) {
      insert(index);
      process.stdout.write(`${index}\n`);
      // Lets the line out before the next one is kept.
      await new Promise((resolve) => setImmediate(resolve));
    }
  case "record-for-ever":
    insert(0);
    for (let sends = 1; ; sends++) {
      const times = { confirmedUnixMs: 1_000, againUnixMs: 10_000 + sends };
      store.recordSends("0".repeat(64), { sends, ...times });
      process.stdout.write(`${sends}\n`);
      await new Promise((resolve) => setImmediate(resolve));
    }
  case "insert-until-full": {
    let kept = 0;
    try {
      for (; kept < 1_000; kept++) insert(kept);
    } catch (error) {
      if (!(error instanceof RelayError)) throw error;
      const { code, message } = error;
      const after = store.transactions(5_000).length;
      process.stdout.write(JSON.stringify({ kept, code, message, after }));
    }
    break;
  }
}
