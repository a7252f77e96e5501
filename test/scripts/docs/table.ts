/** The rows of all tables of a page below their heads, each row as the text of its cells. */
export const rowsOf = (page: string): string[][] =>
  page.split('\n').flatMap((line, at, lines) => {
    const isRow = line.startsWith('| ') && !isRule(line) && !isRule(lines[at + 1] ?? '')
    return isRow ? [cells(line)] : []
  })

const isRule = (line: string): boolean => /^(\| --- )+\|$/.test(line)

const cells = (line: string): string[] =>
  line
    .slice(2, -2)
    .split(' | ')
    .map(cell => cell.replaceAll('\\|', '|'))
