import { describe, expect, it } from 'vitest';
import { checkHistory } from './checkHistory.js';
import { History } from './History.js';

/** Two writes of one register and one of a counter, all acked and seen. */
function sound(): History {
  const history = new History();
  for (const value of [1, 2]) history.ack(history.invoke('set', 'a', value));
  history.ack(history.invoke('increment', 'hits', 3));
  history.read('reader', 'set', 'a', 2);
  history.read('reader', 'increment', 'hits', 3);
  return history;
}

/** A history that says otherwise in one place. */
function planted(change: (history: History) => void): string[] {
  const history = new History();
  change(history);
  return checkHistory(history.events);
}

describe('checkHistory', () => {
  it('finds nothing in a sound history', () => {
    expect(checkHistory(sound().events)).toEqual([]);
  });

  it('accepts that an unanswered or refused write is followed by nothing', () => {
    const history = sound();
    history.reject(history.invoke('set', 'a', 3), 'FORBIDDEN');
    expect(checkHistory(history.events)).toEqual([]);
  });

  it('finds an acked write that is lost altogether', () => {
    const problems = planted((history) => {
      history.ack(history.invoke('set', 'a', 1));
      history.read('reader', 'set', 'a', null);
    });
    expect(problems).toEqual(['reader read set a = null: 1 was acked and is lost']);
  });

  it('finds an acked write that an older one took the place of', () => {
    const problems = planted((history) => {
      for (const value of [1, 2]) history.ack(history.invoke('set', 'a', value));
      history.read('reader', 'set', 'a', 1);
    });
    expect(problems).toEqual(['reader read set a = 1: 2 was acked later and is lost']);
  });

  it('finds a write that was never answered', () => {
    const problems = planted((history) => {
      history.invoke('set', 'a', 1);
      history.read('reader', 'set', 'a', 1);
    });
    expect(problems).toEqual(['op 0 (set a 1) was never answered']);
  });

  it('finds a refused write that is in effect all the same', () => {
    const problems = planted((history) => {
      history.reject(history.invoke('set', 'a', 1), 'FORBIDDEN');
      history.read('reader', 'set', 'a', 1);
    });
    expect(problems).toEqual(['reader read set a = 1: that was never written, or was refused']);
  });

  it('finds an increment that counted twice or not at all', () => {
    for (const value of [2, 0]) {
      const problems = planted((history) => {
        history.ack(history.invoke('increment', 'hits', 1));
        history.read('reader', 'increment', 'hits', value);
      });
      expect(problems).toEqual([`reader read increment hits = ${value}: acked increments sum up to 1`]);
    }
  });

  it('finds a value out of nowhere, an answer out of nowhere and a second answer', () => {
    const problems = planted((history) => {
      history.ack(9);
      history.read('reader', 'set', 'x', 1);
      const op = history.invoke('set', 'a', 1);
      history.ack(op);
      history.ack(op);
      history.read('reader', 'set', 'a', 1);
    });
    expect(problems).toEqual([
      'op 9 was answered but never invoked',
      'op 0 was answered twice',
      'reader read set x = 1: was never written',
    ]);
  });

  it('does not call a run sound that nobody looked at', () => {
    const problems = planted((history) => history.ack(history.invoke('set', 'a', 1)));
    expect(problems).toEqual(['nobody read anything']);
  });
});
