import { formatLogLine } from '../serve/formatLogLine.js';

/** A line of a node's log as the cluster shows it: for people with the node's name before it, else as JSON that holds it. */
export function nodeLogLine(name: string, line: string, isTerminal: boolean): string {
  if (!isTerminal)
    return line.startsWith('{') ? `{"node":${JSON.stringify(name)},${line.slice(1)}` : `${name} | ${line}`;
  return formatLogLine(line)
    .trimEnd()
    .split('\n')
    .map((part) => `${name} | ${part}`)
    .join('\n');
}
