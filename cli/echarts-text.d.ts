// The build takes this file in as text, to stand in the pages that it writes.
declare module "echarts/dist/echarts.min.js" {
  const source: string;
  export default source;
}
