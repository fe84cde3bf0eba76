import { PrivateI2pNetwork } from "../../lib/devnet/i2p.ts";
import { Scratch } from "../../lib/process/scratch.ts";

/*
 * Starts a private I2P network, tells what belongs to it, and waits to be killed: the test looks
 * what is left then.
 */

const scratch = await Scratch.create();
const network = await PrivateI2pNetwork.start({ routers: 2, scratch });
const { namespace, routers } = network;
const pids = routers.map(({ pid }) => pid);
process.stdout.write(`${JSON.stringify({ namespace, pids, directory: scratch.directory })}\n`);
await new Promise(() => setInterval(() => undefined, 60_000));
