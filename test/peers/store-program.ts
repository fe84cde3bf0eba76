// Run as a program of its own: writes to a peer book until it is told to stop, or killed.
import process from "node:process";
import { PeerStore } from "../../lib/peers/store.ts";
import { realClock } from "../../lib/runtime/clock.ts";
import { SeededRandom } from "../../lib/runtime/random.ts";
import { onion, START } from "./books.ts";
import { doRandomWork } from "./random-work.ts";

const [task = "", directory = "", first = "0", count = "0"] = process.argv.slice(2);
const limits = { white: 40, gray: 120 };

switch (task) {
  case "work-for-ever": {
    const store = PeerStore.open({ directory, network: "regtest", clock: realClock, limits });
    const book = store.book("tor");
    const random = new SeededRandom(Number(first));
    for (let index = 0; ; index++) {
      doRandomWork(store, book, random, START);
      process.stdout.write(`${index}\n`);
      // Lets the line out before the next.
      await new Promise((resolve) => setImmediate(resolve));
    }
  }
  case "add": {
    const store = PeerStore.open({ directory, network: "regtest", clock: realClock });
    const book = store.book("tor");
    for (let index = 0; index < Number(count); index++) {
      book.add(onion(Number(first) + index), { source: "import", now: START });
    }
    store.close();
    break;
  }
  case "half-a-transaction": {
    const store = PeerStore.open({ directory, network: "regtest", clock: realClock });
    const book = store.book("tor");
    store.transaction(() => {
      for (let index = 0; index < Number(count); index++) {
        book.add(onion(Number(first) + index), { source: "import", now: START });
      }
      process.kill(process.pid, "SIGKILL");
      for (;;);
    });
    break;
  }
}
