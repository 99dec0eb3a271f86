/** Lets the design system follow the system's light or dark appearance, and its changes. */
export function followSystemTheme(): void {
  const dark = window.matchMedia("(prefers-color-scheme: dark)");
  const apply = () => document.documentElement.setAttribute("data-fr-theme", dark.matches ? "dark" : "light");
  apply();
  dark.addEventListener("change", apply);
}
