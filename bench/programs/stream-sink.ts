// The far end of a stream in a process of its own; takes how many bytes a stream carries.
import { listenSink, STREAM_BYTES } from "../stream-ends.ts";

const { port } = await listenSink(Number(process.argv[2] ?? STREAM_BYTES));
process.stdout.write(`${JSON.stringify({ port })}\n`);
