// The far end of a stream in a process of its own.
import { listenSink } from "../stream-ends.ts";

const { port } = await listenSink();
process.stdout.write(`${JSON.stringify({ port })}\n`);
