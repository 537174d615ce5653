import js from "@eslint/js";
import { globalIgnores } from "eslint/config";
import a11y from "eslint-plugin-jsx-a11y";
import hooks from "eslint-plugin-react-hooks";
import ts from "typescript-eslint";

export default ts.config(
    globalIgnores(["dist"]),
    js.configs.recommended,
    ts.configs.strictTypeChecked,
    a11y.flatConfigs.strict,
    hooks.configs.flat.recommended,
    {
        languageOptions: { parserOptions: { projectService: { allowDefaultProject: ["*.js"] } } },
        rules: {
            "max-len": ["error", { code: 120 }],
            "@typescript-eslint/no-confusing-void-expression": ["error", { ignoreArrowShorthand: true }],
            "@typescript-eslint/restrict-template-expressions": ["error", { allowNumber: true }],
            "@typescript-eslint/no-misused-promises": ["error", { checksVoidReturn: { attributes: false } }],
        },
    },
    {
        files: ["*.js"],
        extends: [ts.configs.disableTypeChecked],
        languageOptions: { globals: { process: "readonly" } },
    },
);
