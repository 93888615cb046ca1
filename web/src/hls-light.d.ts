// The smaller build, without subtitles and alternate audio, has the types of the whole one.
declare module "hls.js/light" {
  export { default } from "hls.js";
}
