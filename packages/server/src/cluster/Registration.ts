import { z } from 'zod';
import { type DocumentCodec, documentCodec } from './documentCodec.js';

/** How a process tells that it is there. */
export interface Registration {
  readonly nodeId: string;
  /** New at each start of the process. */
  readonly boot: string;
  /** Where clients reach it. */
  readonly endpoint: string;
  /** Of the program. */
  readonly version: string;
  /** It gives away what it has, and then goes. */
  readonly leaving: boolean;
}

const schema: z.ZodType<Registration> = z.object({
  nodeId: z.string().min(1),
  boot: z.string().min(1),
  endpoint: z.string().min(1),
  version: z.string(),
  leaving: z.boolean(),
});

export const registrationCodec: DocumentCodec<Registration> = documentCodec(schema);

export const NODE_KEYS = 'node.';

export function nodeKey(nodeId: string): string {
  return `${NODE_KEYS}${nodeId}`;
}
