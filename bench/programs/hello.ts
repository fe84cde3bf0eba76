// The smallest program: what the runtime alone costs. With an argument it stays and does nothing.
// `process.stdout` would take it four times as long as the console does.
console.log("hello");
if (process.argv.length > 2) setInterval(() => {}, 3_600_000);
