"""Makes the tables of load.sh: results-ROW.jsonl in the folder that is named, facts on stdin."""
import json, pathlib, statistics, sys

ROWS = {  # row: what it is called, and what Seawall may cost at most, as a ratio to others
    '1k': ('cached 1 KiB, keep-alive', {'nginxlog': 0.70, 'haproxy': 1.05}),
    '16k': ('cached 16 KiB', {'nginxlog': 0.90, 'haproxy': 0.90}),
    '256k': ('cached 256 KiB', {'varnish': 1.00}),
    '10k': ('10,000 URLs at random', {'nginxlog': 0.70}),
    'blocked': ('a blocked URL', {'hit': 0.90}),
    'nc1k': ('never cached 1 KiB', {'nginx': 0.60, 'haproxy': 2.00}),
}
COLUMNS = {'nginx': 'nginx', 'nginxlog': 'nginx with its log', 'varnish': 'Varnish', 'haproxy': 'HAProxy',
           'bare': 'bare hyper', 'seawall': 'Seawall'}
COMPARED = {'nginxlog': 'nginx with its log', 'nginx': 'nginx', 'haproxy': 'HAProxy', 'varnish': 'Varnish',
            'bare': 'bare hyper', 'hit': 'a cached hit'}


def measured(folder, row):
    """Rounds by name. In the row of a blocked URL the hit beside it has a name of its own."""
    rounds = {}
    path = folder / f'results-{row}.jsonl'
    if path.exists():
        for line in path.read_text().splitlines():
            one = json.loads(line)
            rounds.setdefault(one['target'], []).append(one)
    if row == 'blocked' and rounds:
        rounds = {'hit': rounds['seawall'], 'seawall': rounds['blocked']}
    return rounds


def doubts(row, name, rounds):
    """What makes a cell worth less than it looks."""
    errors = sum(one['err'] for one in rounds)
    if row == 'blocked' and name == 'seawall':  # each is a 451, which the load counts as an error
        errors = sum(one['req'] for one in rounds) - errors
    found = [f'{errors} answers were not what they should be'] if errors else []
    busy = statistics.median(one['util'] for one in rounds)
    if busy < 0.5:
        found.append(f'busy for {busy:.0%} of the time: the load was starved, and an idle server finds cold caches')
    fetched = max(one['origin'] for one in rounds)
    if row != 'nc1k' and name != 'bare' and fetched > 50:
        found.append(f'{fetched} requests reached the origin in a round')
    return found


def main():
    folder = pathlib.Path(sys.argv[1])
    rows = {row: rounds for row in ROWS if (rounds := measured(folder, row))}
    cpu = lambda row, name, of: of(one['cpu'] for one in rows[row][name])
    print(*('- ' + line.strip() for line in sys.stdin if line.strip()), sep='\n')
    print('\nCPU µs a request, median [least]:\n')
    print('| work |', ' | '.join(COLUMNS.values()), '|\n|---' + '|---' * len(COLUMNS) + '|')
    for row, rounds in rows.items():
        cells = [f'{cpu(row, name, statistics.median):.1f} [{cpu(row, name, min):.1f}]' if name in rounds else ''
                 for name in COLUMNS]
        print('|', ROWS[row][0], '|', ' | '.join(cells), '|')
    print('\nSeawall as a ratio to others, of medians [of least values]; in bold where it is more than the aim:\n')
    print('| work |', ' | '.join(COMPARED.values()), '| aim at most |\n|---' + '|---' * len(COMPARED) + '|---|')
    for row, rounds in rows.items():
        aims = ROWS[row][1]
        cells = []
        for name in COMPARED:
            if name not in rounds:
                cells.append('')
                continue
            ratios = [cpu(row, 'seawall', of) / cpu(row, name, of) for of in (statistics.median, min)]
            cell = f'{ratios[0]:.2f} [{ratios[1]:.2f}]'
            cells.append(f'**{cell}**' if ratios[0] > aims.get(name, float('inf')) else cell)
        said = ', '.join(f'{most:.2f} × {COMPARED[name]}' for name, most in aims.items())
        print('|', ROWS[row][0], '|', ' | '.join(cells), '|', said, '|')
    notes = [f'{ROWS[row][0]}, {COLUMNS.get(name, name)}: {doubt}' for row, rounds in rows.items()
             for name, all_rounds in rounds.items() for doubt in doubts(row, name, all_rounds)]
    if notes:
        print('\nTo be doubted:\n')
        print(*('- ' + note for note in notes), sep='\n')


if __name__ == '__main__':
    main()
