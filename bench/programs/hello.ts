// The smallest program: what the runtime alone costs. With an argument it stays and does nothing.
process.stdout.write("hello\n");
if (process.argv.length > 2) setInterval(() => {}, 3_600_000);
