import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { TopGunError } from '../errors.js';
import { rowsOf } from '../testing/batches.js';
import { clientMessages, serverMessages } from '../testing/messages.js';
import { damaged, damages } from '../testing/mutations.js';
import { decodeServerMessage, encodeMessage } from './codec.js';
import { readRecordsHead, rewriteRecordsHead } from './recordsHead.js';

const uint = fc.maxSafeNat();

describe('the head of a QUERY_RECORDS', () => {
  it('is what the message says', () => {
    fc.assert(
      fc.property(serverMessages.QUERY_RECORDS, (sent) => {
        const { queryId, cursors, initial, last } = sent;
        expect(readRecordsHead(encodeMessage(sent))).toMatchObject({ queryId, cursors, initial, last });
      }),
    );
  });

  it('can be written anew without touching the rows', () => {
    fc.assert(
      fc.property(serverMessages.QUERY_RECORDS, uint, fc.boolean(), (sent, queryId, last) => {
        const frame = encodeMessage(sent);
        const head = readRecordsHead(frame);
        if (head === null) throw new Error('it is a QUERY_RECORDS');
        const got = decodeServerMessage(rewriteRecordsHead(frame, head, queryId, last));
        if (got.type !== 'QUERY_RECORDS') throw new Error('it still is one');
        expect({ ...got, records: rowsOf(got.records) }).toEqual({
          ...sent,
          queryId,
          last,
          records: rowsOf(sent.records),
        });
      }),
    );
  });

  it('is nothing that other messages have', () => {
    const others = [serverMessages.QUERY_RESET, serverMessages.OP_ACK, serverMessages.ERROR, clientMessages.OP_BATCH];
    fc.assert(
      fc.property(fc.oneof(...others), (sent) => {
        expect(readRecordsHead(encodeMessage(sent))).toBeNull();
      }),
    );
  });

  it('is read or refused, whatever the bytes', () => {
    const frames = serverMessages.QUERY_RECORDS.map(encodeMessage);
    fc.assert(
      fc.property(frames, damages, (frame, how) => {
        try {
          readRecordsHead(damaged(frame, how));
        } catch (error) {
          expect(error).toBeInstanceOf(TopGunError);
        }
      }),
    );
  });
});
