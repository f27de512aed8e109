// A button on each code block, which copies it; of an interactive session
// what was typed.
document.addEventListener('DOMContentLoaded', () => {
  for (const pre of document.querySelectorAll('div.highlight pre')) {
    const text = pre.textContent;
    const typed = text
      .split('\n')
      .filter((line) => /^(>>>|\.\.\.)( |$)/.test(line))
      .map((line) => line.slice(4));
    const button = document.createElement('button');
    button.className = 'copy';
    button.textContent = 'Copy';
    button.onclick = async () => {
      await navigator.clipboard.writeText(
        typed.length ? typed.join('\n') + '\n' : text
      );
      button.textContent = 'Copied';
      setTimeout(() => { button.textContent = 'Copy'; }, 1500);
    };
    pre.parentElement.append(button);
  }
});
