/** The kinds of media. */

export type Kind = "audio" | "video";
